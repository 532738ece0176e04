import { z } from 'zod';
import { parseCidr } from './cidr.ts';

/**
 * Every key of `template.json` and `worker-<N>.json`: its type, default and meaning. This is the only place
 * that knows them; `docs/configuration.md` is generated from it. Keys carry their unit (`_ms`, `_kb`, `_mb`);
 * the two caches keep the original's names, in kB.
 */
const count = (min: number, max: number) => z.int().min(min).max(max);
const path = () => z.string().min(1).regex(/^\//, 'an absolute path');

const port = z
  .union([count(0, 65_535), z.string().regex(/^\d{1,5}$/)], 'a port number from 0 to 65535')
  .transform(Number)
  .pipe(count(0, 65_535))
  .describe('Port that the worker listens on; 0 takes a free one. A string ("8080") works too.');

const REGISTRY_SERVER = '`host:port`, or a URL with http or https, without a user, a query or a fragment';
const cidr = z
  .string()
  .refine(
    (text) => parseCidr(text) !== null,
    'an address or a range of them, `10.0.0.0/8` or `2001:db8::/32`, with no bits beyond its length',
  );

const registryServer = z
  .string()
  .regex(
    /^(https?:\/\/)?([A-Za-z0-9._-]{1,255}|\[[0-9a-fA-F:.]{2,45}\])(:\d{1,5})?(\/[A-Za-z0-9._~/-]*)?$/,
    REGISTRY_SERVER,
  )
  // Ports beyond the last one, for instance.
  .refine((server) => URL.canParse(`http://${server.replace(/^https?:\/\//, '')}`), REGISTRY_SERVER);
/** Visible ASCII: both travel in headers. */
export const registryKey = () => z.string().regex(/^[!-~]{1,256}$/, '1 to 256 visible ASCII characters');

export const configSchema = z.strictObject({
  cluster_name: path()
    .optional()
    .describe(
      'The cluster directory. Filled in by `admin new`; paths that are left out are found below it. ' +
        'Default: the directory above the one that holds the config file.',
    ),
  worker_dir: path()
    .optional()
    .describe('Where this worker keeps its state and scratch space. Default: `<cluster>/workers/worker-0`.'),
  worker_port: port.default(8080),
  worker_host: z
    .string()
    .min(1)
    .default('localhost')
    .describe(
      'Address that the worker listens on. `localhost` is loopback, both IPv4 and IPv6. Requests are not ' +
        'authenticated: open it to other machines (`0.0.0.0`) only behind something that checks them.',
    ),
  registry: z
    .enum(['local', 'remote'])
    .default('local')
    .describe('Where function code comes from: `local`, a directory; `remote`, a bucket of an S3 server.'),
  registry_dir: path()
    .optional()
    .describe('The directory of the local registry. Default: `<cluster>/registry`.'),
  registry_server: registryServer
    .optional()
    .describe(
      'The S3 server of the remote registry: `host:port`, or a URL with http or https. `admin registry` fills it in.',
    ),
  registry_access_key: registryKey()
    .optional()
    .describe('Access key for the remote registry. `admin registry` fills it in.'),
  registry_secret_key: registryKey()
    .optional()
    .describe('Secret key for the remote registry; a file that holds it is readable by its owner alone.'),
  registry_bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'a bucket name: 3 to 63 of a-z, 0-9, `.` and `-`')
    .default('registry')
    .describe('The bucket that holds the bundles, each under the name of its function.'),
  registry_region: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,64}$/, 'a region: letters, digits and `-`')
    .default('us-east-1')
    .describe('Region that requests to the remote registry are signed for.'),
  registry_check_ms: count(0, 86_400_000)
    .default(1000)
    .describe(
      'How long pulled code counts as new. A call that comes up to twice that time after the last look at the remote registry ' +
        'gets the code that is here, and the registry is asked meanwhile; a later one waits for the answer. 0: every call asks.',
    ),
  registry_timeout_ms: count(10, 3_600_000)
    .default(10_000)
    .describe(
      'How long the remote registry may be silent, and how long a call waits for code that is not here; then it is answered 503.',
    ),
  code_cache_mb: count(1, 1024 * 1024)
    .default(4096)
    .describe(
      'What the copies of function code may take on the disk of a worker. Beyond it those go that were used longest ago and ' +
        'that no sandbox has.',
    ),
  sandbox: z
    .enum(['sock', 'docker'])
    .default('sock')
    .describe('The engine that makes sandboxes: `sock` by itself, `docker` by asking a Docker daemon.'),
  docker_image: z
    .string()
    .min(1)
    .default('openlambda/base')
    .describe(
      'The image of `docker`: any that has Python 3.9 or newer. `admin image build` makes the default one.',
    ),
  docker_socket: path()
    .optional()
    .describe(
      'The socket of the Docker daemon. Default: what DOCKER_HOST names (`unix:///...`), else `/var/run/docker.sock`.',
    ),
  network: z
    .enum(['nat', 'none', 'host'])
    .optional()
    .describe(
      'What sandboxes reach: `nat`, the internet through this machine, and nothing of the machine; `none`, nothing; `host`, all ' +
        'that the machine reaches, itself included, which is unsafe. Default: `nat` where this machine can do it, else `none`, and the ' +
        "log says why. With Docker `none`, and `nat` is the daemon's bridge, which denies less. [network.md](network.md) has it all.",
    ),
  network_allow: z
    .array(cidr)
    .default([])
    .describe(
      'Ranges of addresses that `nat` opens although they are denied by default, `10.1.2.0/24` for one. Of several ranges that ' +
        'an address is in, the narrowest counts.',
    ),
  network_deny: z
    .array(cidr)
    .default([])
    .describe(
      'Ranges of addresses that `nat` denies beyond those that are denied by default. `0.0.0.0/0`: all that `network_allow` does not open.',
    ),
  sock_base_path: path().optional().describe('The base image of `sock`. Default: `<cluster>/base`.'),
  pkgs_dir: path()
    .optional()
    .describe(
      'Where packages are installed; mounted read-only at `/packages`. Default: `<cluster>/packages`.',
    ),
  pip_mirror: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'The package index that packages come from. Default: what the configuration of pip on this machine says (its files ' +
        'and the environment), else what the installer has by default.',
    ),
  startup_pkgs: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'Packages that are installed when the worker starts and stay imported, each as a line of a `packages.txt`.',
    ),
  install_timeout_ms: count(1000, 86_400_000)
    .default(300_000)
    .describe('Longest time that resolving packages, or installing some, may take.'),
  install_retry_ms: count(0, 3_600_000)
    .default(10_000)
    .describe(
      'How long packages that could not be had are not tried again: calls get the same answer meanwhile.',
    ),
  install_mem_limit_mb: count(64, 1024 * 1024)
    .default(1024)
    .describe('Memory that an installer may use, what it runs to build a package included.'),
  install_max_mb: count(16, 1024 * 1024)
    .default(4096)
    .describe('What an installer may have on the disk while it works, downloads included.'),
  sandbox_config: z
    .record(z.string(), z.json())
    .default({})
    .describe('Handed to every handler as JSON, in the environment variable `ol.config`.'),
  max_runners: count(0, 100_000)
    .default(100)
    .describe('Most sandboxes that run one function at the same time; 0 is no bound.'),
  queue_max: count(1, 1_000_000)
    .default(1000)
    .describe('Most requests that wait for one function; the next one is answered 429.'),
  handler_cache_size: count(0, 2 ** 40)
    .default(512 * 1024)
    .describe(
      'kB of memory for idle sandboxes that are kept for the next call; beyond it the oldest go. 0: none are kept.',
    ),
  import_cache_size: count(0, 2 ** 40)
    .default(512 * 1024)
    .describe(
      'kB of memory for zygotes: interpreters with packages imported, that sandboxes are forked from. 0: none are made.',
    ),
  import_cache_tree: path()
    .optional()
    .describe(
      'A tree of zygotes, as `admin fit` writes it, that the worker starts from; it goes on learning. Default: none.',
    ),
  import_mem_limit_mb: count(16, 1024 * 1024)
    .default(1024)
    .describe(
      'Memory that one zygote may use while it imports; beyond it the packages are imported by each sandbox.',
    ),
  import_timeout_ms: count(1, 86_400_000)
    .default(60_000)
    .describe('How long a zygote may take to import packages; then they are imported by each sandbox.'),
  zygote_silent_ms: count(100, 86_400_000)
    .default(2500)
    .describe(
      'How long a zygote may owe an answer: one that was stopped, or hangs, is ended then, and replaced. The end of the root ' +
        'zygote is that of all sandboxes.',
    ),
  surplus_keep_ms: count(1, 86_400_000)
    .default(10_000)
    .describe(
      'How long an idle sandbox is kept that its function has no use for, because others of it do the work. The last one ' +
        'of a function is kept for as long as `handler_cache_size` has room for it.',
    ),
  spare_sandboxes: count(0, 1000)
    .default(16)
    .describe('Sandboxes made ahead of time, so that a cold start does not wait for the fork.'),
  invocation_timeout_ms: count(1, 86_400_000)
    .default(30_000)
    .describe('Longest time that one invocation may take; then it is answered 504 and its sandbox ends.'),
  request_max_kb: count(1, 1024 * 1024)
    .default(6144)
    .describe('Largest request body; a larger one is answered 413.'),
  response_max_kb: count(1, 1024 * 1024)
    .default(6144)
    .describe('Largest result of a function; a larger one is answered 502.'),
  mem_limit_mb: count(16, 1024 * 1024)
    .default(128)
    .describe('Memory that one sandbox may use, `/tmp` included; beyond it the call is answered 502.'),
  mem_pool_mb: count(64, 64 * 1024 * 1024)
    .optional()
    .describe(
      'Memory that all sandboxes and zygotes of a worker may use together. Where a cold start would go beyond it, idle ' +
        'sandboxes are ended, the one used longest ago first, then zygotes with packages; with none left, the request ' +
        "waits. Default: three quarters of the machine's memory, or of what the worker's own group may use. Several " +
        'workers on a machine: set it.',
    ),
  procs_max: count(2, 100_000).default(64).describe('Processes and threads that one sandbox may have.'),
  cpu_percent: count(0, 100_000)
    .default(100)
    .describe('CPU time that one sandbox may use, in percent of one core; 0 is no bound.'),
  open_files_max: count(16, 1_000_000)
    .default(1024)
    .describe('Files that one process in a sandbox may have open.'),
  file_max_mb: count(1, 1024 * 1024)
    .default(64)
    .describe('Largest file that a sandbox may write; holds for its `stdout` and `stderr`, too.'),
  scratch_max_mb: count(1, 1024 * 1024)
    .default(512)
    .describe(
      'What a sandbox may have in its scratch space, `/host`, with its `stdout` and `stderr`. Beyond it a write fails ' +
        '(EDQUOT) where `worker_dir` is on a file system with quotas; else the call is answered 502.',
    ),
  scratch_max_files: count(16, 10_000_000)
    .default(10_000)
    .describe('Files and directories that a sandbox may have in its scratch space; bounded in the same way.'),
  cg_pool_size: count(0, 10_000)
    .default(16)
    .describe('Cgroups that are kept ready: making one takes longer than using one again.'),
  pause_delay_ms: count(0, 3_600_000)
    .default(20)
    .describe(
      'How long a sandbox has to be idle before it is paused. A pause and its end cost time of their own.',
    ),
  sched_tick_us: count(0, 1_000_000)
    .default(500)
    .describe(
      'How often the kernel is made to choose anew who runs on a core, in microseconds, while sandboxes take all cores; its own ' +
        'tick is every 4 ms with most kernels. It takes 2 to 4 % of the cores then. 0 is never.',
    ),
  tmp_max_mb: count(1, 1024 * 1024)
    .default(64)
    .describe('Size of `/tmp` in a sandbox; it counts as memory.'),
  shutdown_grace_ms: count(0, 3_600_000)
    .default(10_000)
    .describe('How long a worker that is told to end lets accepted requests finish.'),
  timing: z.boolean().default(false).describe('Times the steps of each request, and writes them to the log.'),
  benchmark_log: path()
    .optional()
    .describe('A file that gets one line for each timed step, `<name>: <n> us`. Default: none.'),
  log_level: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('Least severe lines that reach the log.'),
});

/** The config as it stands in a file: snake_case, every key optional that has a default. */
export type ConfigFile = z.input<typeof configSchema>;
/** A checked config file with the defaults filled in. */
export type CheckedConfig = z.output<typeof configSchema>;

export const configKeys: readonly string[] = Object.keys(configSchema.shape);

/** Keys whose value nobody but the owner of the file may see: it is in no message. */
export const SECRET_KEYS: ReadonlySet<string> = new Set(['registry_secret_key']);
