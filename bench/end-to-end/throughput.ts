import { startBareServer } from '../floors/http.ts';
import type { Bench } from '../measure/bench.ts';
import { NO_OP } from '../measure/functions.ts';
import type { LoadResult } from '../measure/load.ts';
import { startRig } from '../measure/rig.ts';
import { loadSeconds, runLoad } from '../measure/run-load.ts';
import { summarize } from '../measure/stats.ts';

const CONNECTIONS = 16;

/** The machine's speed changes from second to second: so the floor is measured right before each measurement. */
const ROUNDS = 5;

export const throughput: Bench = {
  name: 'throughput',
  about: `Warm calls of a function that does nothing, over ${CONNECTIONS} connections that are kept, as many as can be.`,
  async run({ samples }) {
    const seconds = loadSeconds(samples) / ROUNDS;
    const rounds = await measure(seconds);
    const ratios = rounds.map(({ floor, warm }) => warm.perSecond / floor.perSecond);
    const warm = rounds.map((round) => round.warm);
    return {
      rows: [
        {
          what: 'floor: a bare `node:http` server',
          unit: '/s',
          value: median(rounds.map(({ floor }) => floor.perSecond)),
        },
        { what: 'warm calls', unit: '/s', value: median(warm.map(({ perSecond }) => perSecond)) },
        { what: 'warm calls over the floor', unit: '×', value: median(ratios) },
        {
          what: 'one of the warm calls',
          p50: median(warm.map(({ p50 }) => p50)),
          p99: median(warm.map(({ p99 }) => p99)),
        },
      ],
      notes: [
        `The medians of ${ROUNDS} rounds of ${seconds} s for each of the two, one after the other. The load comes from a ` +
          'process of its own on the same cores; each connection sends its next request when it has the answer to the last.',
      ],
    };
  },
};

interface Round {
  readonly floor: LoadResult;
  readonly warm: LoadResult;
}

async function measure(seconds: number): Promise<Round[]> {
  await using server = await startBareServer();
  await using rig = await startRig({});
  await rig.addFunction('noop', NO_OP);
  const loadBare = () => runLoad({ port: server.port, paths: allTo('/'), seconds });
  const loadWorker = () => runLoad({ port: rig.port, paths: allTo('/runLambda/noop'), seconds });
  // The first one, in which both compile what they run often, does not count.
  await loadBare();
  await loadWorker();
  const rounds: Round[] = [];
  while (rounds.length < ROUNDS) rounds.push({ floor: await loadBare(), warm: await loadWorker() });
  return rounds;
}

function allTo(path: string): string[] {
  return Array<string>(CONNECTIONS).fill(path);
}

function median(values: readonly number[]): number {
  return summarize(values).p50;
}
