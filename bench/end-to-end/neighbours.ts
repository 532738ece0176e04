import { scheduleAsUsual, scheduleWorker } from '../../src/linux/scheduling.ts';
import type { Bench, BenchRow } from '../measure/bench.ts';
import { BenchClient } from '../measure/client.ts';
import { NO_OP, settle } from '../measure/functions.ts';
import { BAD_NEIGHBOURS, type BadNeighbour, disturb } from '../measure/neighbours.ts';
import { type Rig, startRig } from '../measure/rig.ts';
import { type Summary, summarize } from '../measure/stats.ts';

const GAP_MS = 4;
/** So that they end soon after the figures are there; a call of the victim takes a hundredth of it. */
const BOUNDS = { invocation_timeout_ms: 1000 };
const NAMES = Object.keys(BAD_NEIGHBOURS) as BadNeighbour[];

export const neighbours: Bench = {
  name: 'neighbours',
  about: `Warm calls of a function that does nothing, one every ${GAP_MS} ms, while others of the same worker misbehave.`,
  async run({ samples }) {
    scheduleWorker();
    using _usual = { [Symbol.dispose]: scheduleAsUsual };
    await using rig = await startRig(BOUNDS);
    await rig.addFunction('victim', NO_OP);
    for (const name of NAMES) await rig.addFunction(name, BAD_NEIGHBOURS[name]);
    await settle();
    const alone = await measure(rig, samples, []);
    const rows: BenchRow[] = [{ what: 'a call, no other function at work', ...alone }];
    for (const name of NAMES)
      rows.push({ what: `beside \`${name}\``, ...(await measure(rig, samples, [name])) });
    const all = await measure(rig, samples, NAMES);
    rows.push({ what: 'beside all of them', ...all });
    rows.push({
      what: 'the same over no other function',
      unit: '×',
      p50: all.p50 / alone.p50,
      p99: all.p99 / alone.p99,
    });
    return {
      rows,
      notes: [
        'An error of the function that is measured would end the bench: there was none.',
        'The client gets the CPU as soon as the worker does, because it stands for one on another machine.',
        'Each of the others is called again as soon as its call has ended: the fork bomb and the busy loop by a time limit ' +
          'of 1 s, the memory bomb when it has used up its memory.',
      ],
    };
  },
};

async function measure(rig: Rig, samples: number, names: readonly BadNeighbour[]): Promise<Summary> {
  await using _others = await disturb(rig.url, names);
  const client = new BenchClient(rig.url);
  try {
    return summarize(await client.postMany('/runLambda/victim', samples, GAP_MS));
  } finally {
    client.close();
  }
}
