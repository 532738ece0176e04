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

export const warm: Bench = {
  name: 'warm',
  about: 'A call that an idle sandbox is there for, one client: from its request to the response.',
  async run({ samples }) {
    const floor = await httpFloor(samples);
    const total = await measure(samples, {});
    const timed = await measure(samples, { benchmark_log: '/to/be/named' });
    const row = { what: 'warm call, one after another', ...summarize(total.times) };
    const over = { what: 'over the floor', p50: row.p50 - floor.p50, p99: row.p99 - floor.p99 };
    return {
      rows: [floor, row, over, ...timed.steps],
      notes: [
        'The steps are measured in a second run with `benchmark_log` on, which makes them a little slower.',
      ],
    };
  },
};

async function measure(samples: number, config: { benchmark_log?: string }) {
  await using rig = await startRig(config);
  await rig.addFunction('noop', NO_OP);
  const client = new BenchClient(rig.url);
  const times = await client.postMany('/runLambda/noop', samples);
  client.close();
  return { times, steps: await readSteps(rig.timingFile, STEPS) };
}
