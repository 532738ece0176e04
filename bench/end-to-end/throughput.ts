import { startBareServer } from '../floors/http.ts';
import type { Bench } from '../measure/bench.ts';
import { NO_OP } from '../measure/functions.ts';
import type { LoadResult } from '../measure/load.ts';
import { startRig } from '../measure/rig.ts';
import { loadSeconds, runLoad } from '../measure/run-load.ts';

const CONNECTIONS = 16;

export const throughput: Bench = {
  name: 'throughput',
  about: `Warm calls of a function that does nothing, over ${CONNECTIONS} connections that are kept, as many as can be.`,
  async run({ samples }) {
    const seconds = loadSeconds(samples);
    const floor = await measureFloor(seconds);
    const { perSecond, p50, p99 } = await measure(seconds);
    return {
      rows: [
        { what: 'floor: a bare `node:http` server', unit: '/s', value: floor.perSecond },
        { what: 'warm calls', unit: '/s', value: perSecond },
        { what: 'warm calls over the floor', unit: '×', value: perSecond / floor.perSecond },
        { what: 'one of the warm calls', p50, p99 },
      ],
      notes: [
        `Measured for ${seconds} s each. The load comes from a process of its own on the same cores; each connection ` +
          'sends its next request when it has the answer to the last.',
      ],
    };
  },
};

function allTo(path: string): string[] {
  return Array<string>(CONNECTIONS).fill(path);
}

async function measureFloor(seconds: number): Promise<LoadResult> {
  await using server = await startBareServer();
  return await runLoad({ port: server.port, paths: allTo('/'), seconds });
}

async function measure(seconds: number): Promise<LoadResult> {
  await using rig = await startRig({});
  await rig.addFunction('noop', NO_OP);
  return await runLoad({ port: rig.port, paths: allTo('/runLambda/noop'), seconds });
}
