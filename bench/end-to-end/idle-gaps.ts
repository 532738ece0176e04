import { httpFloor } from '../floors/http.ts';
import type { Bench } from '../measure/bench.ts';
import { BenchClient } from '../measure/client.ts';
import { NO_OP } from '../measure/functions.ts';
import { startRig } from '../measure/rig.ts';
import { summarize } from '../measure/stats.ts';
import { NO_CACHE } from './cold.ts';

const GAP_MS = 1000;
const MAX_CALLS = 60;

export const idleGaps: Bench = {
  name: 'idle-gaps',
  about: 'Cold calls, one a second, so that caches are cold: beside them the same calls one after another.',
  async run({ samples }) {
    const count = Math.min(samples, MAX_CALLS);
    const floor = await httpFloor(count, GAP_MS);
    await using rig = await startRig(NO_CACHE);
    await rig.addFunction('noop', NO_OP);
    const client = new BenchClient(rig.url);
    const busy = summarize(await client.postMany('/runLambda/noop', samples));
    const idle = summarize(await client.postMany('/runLambda/noop', count, GAP_MS));
    client.close();
    return {
      rows: [
        { ...floor, what: `${floor.what}, one call a second` },
        { what: 'cold call, one after another', ...busy },
        { what: 'cold call, one a second', ...idle },
        { what: 'one a second over one after another', unit: '×', ...ratio(idle, busy) },
      ],
      notes: [
        `There are at most ${MAX_CALLS} calls at one a second, so the slowest of them is their \`p99\`.`,
        "The client's caches are as cold as the worker's: the floor shows how much of it that is.",
      ],
    };
  },
};

interface Spread {
  readonly p50: number;
  readonly p99: number;
}

function ratio(above: Spread, below: Spread): Spread {
  return { p50: above.p50 / below.p50, p99: above.p99 / below.p99 };
}
