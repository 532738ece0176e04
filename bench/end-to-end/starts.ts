import { forkFloor } from '../floors/python.ts';
import type { Bench, BenchRow } from '../measure/bench.ts';
import { NO_OP } from '../measure/functions.ts';
import { type Rig, startRig } from '../measure/rig.ts';
import { loadSeconds, runLoad } from '../measure/run-load.ts';
import { NO_CACHE } from './cold.ts';

const CLIENTS = [1, 4, 8];

export const starts: Bench = {
  name: 'starts',
  about: 'Cold calls by several clients, as many as can be: each makes a sandbox, calls it and destroys it.',
  async run({ samples }) {
    const floor = await forkFloor(samples);
    const seconds = loadSeconds(samples);
    await using rig = await startRig(NO_CACHE);
    const rows: BenchRow[] = [floor];
    for (const clients of CLIENTS) rows.push(...(await measure(rig, clients, seconds)));
    return {
      rows,
      notes: [
        `Measured for ${seconds} s each. The load comes from a process of its own on the same cores; each client ` +
          'sends its next request when it has the answer to the last.',
        'Each client has a function of its own: a request that waits for another one of the same function would get ' +
          'its sandbox.',
        'Sandboxes end in the background, as many as start.',
      ],
    };
  },
};

async function measure(rig: Rig, clients: number, seconds: number): Promise<BenchRow[]> {
  const names = Array.from({ length: clients }, (_, index) => `noop-${index}`);
  for (const name of names) await rig.addFunction(name, NO_OP);
  const paths = names.map((name) => `/runLambda/${name}`);
  const { perSecond, p50, p99 } = await runLoad({ port: rig.port, paths, seconds });
  const what = clients === 1 ? '1 client' : `${clients} clients`;
  return [
    { what: `${what}: sandboxes made, called and destroyed`, unit: '/s', value: perSecond },
    { what: `${what}: one of the calls`, p50, p99 },
  ];
}
