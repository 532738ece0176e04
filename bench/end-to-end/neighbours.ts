import { scheduleAsUsual, scheduleWorker } from '../../src/linux/scheduling.ts';
import type { Bench, BenchRow } from '../measure/bench.ts';
import { BenchClient } from '../measure/client.ts';
import { NO_OP, settle } from '../measure/functions.ts';
import { BAD_NEIGHBOURS, type BadNeighbour, type Disturbance, disturb } from '../measure/neighbours.ts';
import { type Rig, startRig } from '../measure/rig.ts';
import { type Summary, summarize } from '../measure/stats.ts';

const GAP_MS = 4;
/** One in so many calls more, before the others begin. */
const WARM_UP = 10;
/** So that the busy loop ends soon after the figures are there; it is 30 s by default. */
const BOUNDS = { invocation_timeout_ms: 5000 };
/** So many times as long others are at work in the end, when it counts how they go on. */
const LONGER = 7;
const NAMES = Object.keys(BAD_NEIGHBOURS) as BadNeighbour[];

export const neighbours: Bench = {
  name: 'neighbours',
  about: `Warm calls of a function that does nothing, one every ${GAP_MS} ms, while others of the same worker misbehave.`,
  async run({ samples }) {
    scheduleWorker();
    using _usual = { [Symbol.dispose]: scheduleAsUsual };
    await using rig = await startRig(BOUNDS);
    await rig.addFunction('victim', NO_OP);
    // As long as the longest: a thousand calls are too few to say twice what the slowest ten of them take.
    const { longer: alone } = await measure(rig, samples, [], LONGER);
    const rows: BenchRow[] = [{ what: 'a call, no other function at work', ...alone }];
    const ends: string[] = [];
    for (const name of NAMES) {
      const beside = await measure(rig, samples, [name]);
      rows.push({ what: `beside \`${name}\``, ...beside.times });
      ends.push(...beside.ends);
    }
    const all = await measure(rig, samples, NAMES, LONGER);
    rows.push({ what: 'beside all of them', ...all.times }, over('the same', all.times, alone));
    const longer = `beside all of them, ${LONGER} times as long`;
    rows.push({ what: longer, ...all.longer }, over('the same', all.longer, alone));
    return {
      rows,
      notes: [
        'An error of the function that is measured would end the bench: there was none.',
        'The client gets the CPU as soon as the worker does, because it stands for one on another machine.',
        'Each of the others is called again as soon as its call has ended: the busy loop by a time limit of 5 s, the fork bomb when it ' +
          'has asked on and on for more processes, the memory bomb when it has used up its memory. After the first such end of the fork bomb and ' +
          'the second of the memory bomb their calls wait for the next sandbox. In each row they are new to the worker, and what counts is each call from the moment that they have begun.',
        `The first seconds are the worst: later the others are held back for longer. So what all of them do together is looked at for ${LONGER} times as long, too.`,
        `While that was measured they ended so often: ${ends.join(', ')}; all together ${all.ends.join(', ')}.`,
      ],
    };
  },
};

function over(what: string, beside: Summary, alone: Summary): BenchRow {
  const [p50, p99] = [beside.p50 / alone.p50, beside.p99 / alone.p99];
  return { what: `${what} over no other function`, unit: '×', p50, p99 };
}

interface Beside {
  /** From the beginning. */
  readonly times: Summary;
  /** From the beginning, too, for as long as they were at work. */
  readonly longer: Summary;
  /** How often each of the others was ended meanwhile. */
  readonly ends: readonly string[];
}

async function measure(
  rig: Rig,
  samples: number,
  names: readonly BadNeighbour[],
  longer = 1,
): Promise<Beside> {
  // With the same names as in the row before, they would be held back from the beginning for what they did there.
  const others = names.map((name) => ({ name, called: `${name}-of-${names.length}` }));
  for (const { name, called } of others) await rig.addFunction(called, BAD_NEIGHBOURS[name]);
  await settle();
  const client = new BenchClient(rig.url);
  try {
    await client.postMany('/runLambda/victim', Math.ceil(samples / WARM_UP), GAP_MS, 0);
    await using bombs = await disturb(
      rig.url,
      others.map(({ called }) => called),
    );
    const times = await client.postMany('/runLambda/victim', longer * samples, GAP_MS, 0);
    const [first, all] = [summarize(times.slice(0, samples)), summarize(times)];
    return {
      times: first,
      longer: all,
      ends: others.map(({ name, called }) => `${name} ${endsOf(bombs, called)}`),
    };
  } finally {
    client.close();
  }
}

function endsOf({ ends }: Disturbance, called: string): number {
  return [...ends].reduce((sum, [end, count]) => sum + (end.startsWith(`${called} `) ? count : 0), 0);
}
