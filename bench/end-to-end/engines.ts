import type { ConfigFile } from '../../src/config/schema.ts';
import { hasImage } from '../../src/docker/build-image.ts';
import { dockerSocket, openDocker } from '../../src/docker/client.ts';
import { isOlError } from '../../src/errors.ts';
import { memoryOfTree } from '../../src/sandbox/memory.ts';
import { httpFloor } from '../floors/http.ts';
import type { Bench, BenchRow } from '../measure/bench.ts';
import { BenchClient } from '../measure/client.ts';
import { NO_OP } from '../measure/functions.ts';
import { allPaused, callNewFunctions } from '../measure/idle.ts';
import { startRig } from '../measure/rig.ts';
import { summarize } from '../measure/stats.ts';
import { NO_CACHE } from './cold.ts';

/** Containers take a hundred times as long to make as sandboxes. */
const MAX_COLD = 100;
const MAX_IDLE = 20;
/** A sandbox that has had nothing to do for so long is paused, by either engine. */
const PAUSED_AFTER_MS = 200;

export const engines: Bench = {
  name: 'engines',
  about:
    'The two engines beside each other: calls of a function that does nothing, and an idle sandbox of it.',
  async run({ samples }) {
    const floors = await measureFloors(samples);
    const sock = await measure('sock', {}, samples);
    const socket = dockerSocket(null, process.env);
    const lacking = await lacksDocker(socket);
    if (lacking !== null)
      return { rows: [...floors, ...sock], notes: [`There are no figures of \`docker\`: ${lacking}`] };
    const docker = await measure('docker', { sandbox: 'docker', docker_socket: socket }, samples);
    return {
      rows: [
        ...floors,
        ...sock.flatMap((row, index) => [row, docker[index]]).filter((row) => row !== undefined),
      ],
      notes: [
        `A call of a paused sandbox comes after a rest of ${PAUSED_AFTER_MS} ms: cores sleep by then, and caches are cold, which the second floor shows.`,
        `Docker: the daemon at its usual socket or where DOCKER_HOST says, with the image of \`admin image build\`. At most ${MAX_COLD} cold ` +
          'calls, and as many of paused sandboxes, were measured.',
        'The cgroup of a container also counts what its Python has read into the page cache first; PSS does not.',
      ],
    };
  },
};

/** Why `docker` can't be measured here; null where it can. */
async function lacksDocker(socket: string): Promise<string | null> {
  try {
    const has = await hasImage(await openDocker(socket), 'openlambda/base');
    return has ? null : 'the image openlambda/base is missing, see `admin image build`';
  } catch (error) {
    if (isOlError(error)) return error.message;
    throw error;
  }
}

async function measureFloors(samples: number): Promise<BenchRow[]> {
  const busy = await httpFloor(samples);
  const rested = await httpFloor(Math.min(samples, MAX_COLD), PAUSED_AFTER_MS);
  return [busy, { ...rested, what: `${rested.what}, after a rest` }];
}

async function measure(name: string, config: ConfigFile, samples: number): Promise<BenchRow[]> {
  const few = Math.min(samples, MAX_COLD);
  return [
    { what: `cold call (${name})`, ...summarize(await timesOf({ ...config, ...NO_CACHE }, few)) },
    { what: `warm call (${name})`, ...summarize(await timesOf(config, samples)) },
    {
      what: `call of a paused sandbox (${name})`,
      ...summarize(await timesOf(config, few, PAUSED_AFTER_MS)),
    },
    ...(await memoryRows(name, config, Math.min(samples, MAX_IDLE))),
  ];
}

async function timesOf(config: ConfigFile, samples: number, gapMs = 0): Promise<number[]> {
  await using rig = await startRig(config);
  await rig.addFunction('noop', NO_OP);
  const client = new BenchClient(rig.url);
  try {
    return await client.postMany('/runLambda/noop', samples, gapMs);
  } finally {
    client.close();
  }
}

async function memoryRows(name: string, config: ConfigFile, count: number): Promise<BenchRow[]> {
  await using rig = await startRig(config);
  await callNewFunctions(rig, 0, count);
  const sandboxes = await allPaused(rig, count);
  const pids = sandboxes.map(({ pid }) => pid).filter((pid) => pid !== null);
  return [
    { what: `an idle sandbox, PSS (${name})`, ...inMb(await Promise.all(pids.map(memoryOfTree))) },
    {
      what: `an idle sandbox, by its cgroup (${name})`,
      ...inMb(sandboxes.map(({ memoryKb }) => memoryKb)),
    },
  ];
}

function inMb(kb: readonly number[]) {
  return { unit: 'MB', ...summarize(kb.map((one) => one / 1024)) } as const;
}
