import { httpFloor } from '../floors/http.ts';
import type { Bench } from '../measure/bench.ts';
import { BenchClient } from '../measure/client.ts';
import { NO_OP } from '../measure/functions.ts';
import { startRig } from '../measure/rig.ts';
import { summarize } from '../measure/stats.ts';
import { readSteps } from '../measure/steps.ts';

const STEPS = [
  ['warm:wait', 'until an idle sandbox has it'],
  ['warm:exchange', 'to the sandbox and back, and the handler in between'],
] as const;

/** For each call that counts, so many before it: what a server does is compiled while it serves its first thousands. */
const UNCOUNTED = 3;

export const warm: Bench = {
  name: 'warm',
  about: 'A call that an idle sandbox is there for, one client: from its request to the response.',
  async run({ samples }) {
    const floor = await httpFloor(samples, 0, UNCOUNTED * samples);
    const { first, later } = await measure(samples, {});
    const timed = await measure(samples, { benchmark_log: '/to/be/named' });
    const row = { what: 'warm call, one after another', ...summarize(later) };
    const over = { what: 'over the floor', p50: row.p50 - floor.p50, p99: row.p99 - floor.p99 };
    const early = { what: `the same, the first ${samples} calls of a worker`, ...summarize(first) };
    return {
      rows: [floor, row, over, early, ...timed.steps],
      notes: [
        `The server of the floor and the worker have answered ${UNCOUNTED * samples} calls before: by then V8 has compiled what they do.`,
        'The steps are measured in a second run with `benchmark_log` on, which makes them a little slower.',
      ],
    };
  },
};

async function measure(samples: number, config: { benchmark_log?: string }) {
  await using rig = await startRig(config);
  await rig.addFunction('noop', NO_OP);
  const client = new BenchClient(rig.url);
  const first = await client.postMany('/runLambda/noop', samples);
  const later = await client.postMany('/runLambda/noop', samples, 0, (UNCOUNTED - 1) * samples);
  client.close();
  return { first, later, steps: await readSteps(rig.timingFile, STEPS) };
}
