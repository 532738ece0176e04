import type { ContainerCreateOptions } from 'dockerode';
import { labelsOf, type Owner } from '../../docker/containers.ts';

const BYTES_PER_MB = 1024 * 1024;
const NANO_CPUS_PER_PERCENT = 10_000_000;
const TMP_FILES_MAX = 16_384;

/** What is the same for every container of a worker. */
export interface ContainerSettings {
  readonly image: string;
  readonly owner: Required<Owner>;
  /** The directory with `container.py`. */
  readonly runtimeDir: string;
  readonly packagesDir: string;
  /** JSON; the handler's environment variable `ol.config`. */
  readonly sandboxConfig: string;
  readonly tmpMaxMb: number;
  readonly openFilesMax: number;
}

/** What bounds one container; a `cpuPercent` of 0 is no bound. */
export interface ContainerBounds {
  readonly memLimitMb: number;
  readonly procsMax: number;
  readonly cpuPercent: number;
  readonly fileMaxMb: number;
}

/** One container; the directories are the machine's, and have to be there. */
export interface ContainerRequest {
  readonly sandboxId: string;
  readonly uid: number;
  readonly codeDir: string;
  readonly scratchDir: string;
  readonly bounds: ContainerBounds;
  /** Docker's network mode: `none` is a loopback and nothing else. */
  readonly network: string;
  /** What `container.py` is told. */
  readonly word: string;
}

/** What the daemon is asked for. */
export function containerSpec(
  settings: ContainerSettings,
  request: ContainerRequest,
): ContainerCreateOptions {
  return {
    Image: settings.image,
    // Nothing of the image's own start is used, nor of what it looks at its health by.
    // Python is where PATH finds it: /usr/bin in distributions, /usr/local/bin in Python's own images.
    Entrypoint: ['python3', '-I', '-S', '-B', '-X', 'utf8', '/runtime/container.py'],
    Cmd: [request.word],
    Healthcheck: { Test: ['NONE'] },
    // A daemon that ends would else wait: the first process of a container hears of no signal that it does not ask for.
    StopSignal: 'SIGKILL',
    User: `${request.uid}:${request.uid}`,
    WorkingDir: '/handler',
    Env: [
      'PATH=/usr/local/bin:/usr/bin:/bin',
      'HOME=/tmp',
      'LANG=C.UTF-8',
      `ol.config=${settings.sandboxConfig}`,
    ],
    Labels: labelsOf(settings.owner, request.sandboxId),
    ...(request.network === 'host' ? {} : { Hostname: 'sandbox' }),
    HostConfig: hostConfig(settings, request),
  };
}

function hostConfig(
  settings: ContainerSettings,
  { uid, codeDir, scratchDir, bounds, network }: ContainerRequest,
): ContainerCreateOptions['HostConfig'] {
  const memory = bounds.memLimitMb * BYTES_PER_MB;
  return {
    ReadonlyRootfs: true,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    NetworkMode: network,
    // No /dev/shm: it would be a second place to write to, with a bound of its own.
    IpcMode: 'none',
    Memory: memory,
    // Memory and swap together, so there is no swap.
    MemorySwap: memory,
    PidsLimit: bounds.procsMax,
    NanoCpus: bounds.cpuPercent * NANO_CPUS_PER_PERCENT,
    Ulimits: ulimits(settings.openFilesMax, bounds.fileMaxMb * BYTES_PER_MB),
    Tmpfs: {
      '/tmp': `rw,exec,nosuid,nodev,size=${settings.tmpMaxMb}m,nr_inodes=${TMP_FILES_MAX},mode=1777,uid=${uid},gid=${uid}`,
    },
    Mounts: [
      // Not as `Binds`: those make a source that is missing.
      bind(settings.runtimeDir, '/runtime', true),
      bind(codeDir, '/handler', true),
      bind(settings.packagesDir, '/packages', true),
      bind(scratchDir, '/host', false),
    ],
    // What is printed is in scratch space, where it is bounded. The daemon's log would not be.
    LogConfig: { Type: 'none', Config: {} },
    RestartPolicy: { Name: 'no' },
  };
}

function ulimits(openFilesMax: number, fileBytes: number) {
  return [
    { Name: 'nofile', Soft: openFilesMax, Hard: openFilesMax },
    { Name: 'fsize', Soft: fileBytes, Hard: fileBytes },
    { Name: 'core', Soft: 0, Hard: 0 },
  ];
}

function bind(source: string, target: string, readOnly: boolean) {
  return { Type: 'bind' as const, Source: source, Target: target, ReadOnly: readOnly };
}
