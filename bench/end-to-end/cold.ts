import { forkFloor, pythonFloor } from '../floors/python.ts';
import type { Bench, BenchRow } from '../measure/bench.ts';
import { BenchClient } from '../measure/client.ts';
import { NO_OP, settle } from '../measure/functions.ts';
import { type Rig, startRig } from '../measure/rig.ts';
import { summarize } from '../measure/stats.ts';
import { readSteps } from '../measure/steps.ts';

/** No idle sandbox is kept, so that each call gets a new one. */
export const NO_CACHE = { handler_cache_size: 0 };

const STEPS = [
  ['cold:wait', 'until a sandbox has been started, which is:'],
  ['cold:scratch', "the spare's directory gets its name"],
  ['cold:mount', 'a detached mount of the code'],
  ['cold:send', 'and its way to the spare'],
  ['cold:exchange', 'from the request to the answer, which is:'],
  ['sandbox:wake', 'the spare wakes'],
  ['sandbox:attach', 'it attaches the code'],
  ['sandbox:drop', 'it drops its capabilities, and loads the seccomp filter'],
] as const;

export const cold: Bench = {
  name: 'cold',
  about:
    'A call that no sandbox is there for, without packages, one client: from its request to the response.',
  async run({ samples }) {
    const floors = [await pythonFloor(Math.min(samples, 100)), await forkFloor(samples)];
    const totals = await measureTotals(samples);
    const steps = await measureSteps(samples);
    return {
      rows: [...floors, ...totals, ...steps],
      notes: [
        'The steps are measured in a second run with `benchmark_log` on, which makes them a little slower.',
        'What `cold:exchange` takes beyond the three steps below it is the code: compiling and running it, calling ' +
          'the handler, and the answer on its way back.',
      ],
    };
  },
};

async function measureTotals(samples: number): Promise<BenchRow[]> {
  await using rig = await startRig(NO_CACHE);
  await rig.addFunction('noop', NO_OP);
  const client = new BenchClient(rig.url);
  const busy = await client.postMany('/runLambda/noop', samples);
  const first = await measureFirstCalls(rig, client, Math.min(samples, 200));
  client.close();
  return [
    { what: 'cold call, one after another', ...summarize(busy) },
    { what: 'first call of a function that was just written', ...first },
  ];
}

async function measureFirstCalls(rig: Rig, client: BenchClient, samples: number) {
  const times: number[] = [];
  for (let i = 0; i < samples; i++) {
    await rig.addFunction(`new-${i}`, NO_OP);
    await settle();
    times.push(await client.post(`/runLambda/new-${i}`, '{}'));
  }
  return summarize(times);
}

async function measureSteps(samples: number): Promise<BenchRow[]> {
  await using rig = await startRig({ ...NO_CACHE, benchmark_log: '/to/be/named' });
  await rig.addFunction('noop', NO_OP);
  const client = new BenchClient(rig.url);
  await client.postMany('/runLambda/noop', samples);
  client.close();
  return await readSteps(rig.timingFile, STEPS);
}
