import type { ConfigFile } from '../../src/config/schema.ts';
import type { Bench, BenchRow } from '../measure/bench.ts';
import { BenchClient } from '../measure/client.ts';
import { settle } from '../measure/functions.ts';
import { startRig } from '../measure/rig.ts';
import { summarize } from '../measure/stats.ts';
import { NO_CACHE } from './cold.ts';

const PACKAGES = 'pandas==2.1.0\nnumpy==1.25.2\n';
const CODE = `import pandas

def handler(event):
    return int(pandas.DataFrame({'a': [1, 2, 3]}).a.sum())
`;
/** So that what was forked and ended for the last call is no load for this one, as in a machine that is not full. */
const GAP_MS = 20;
const MAX_GAPS = 200;
/** Importing takes as long as a hundred calls. */
const MAX_WITHOUT = 100;

export const imported: Bench = {
  name: 'imported',
  about:
    'A call that no sandbox is there for, of a function that imports pandas: forked from a zygote that has, or not.',
  async run({ samples }) {
    const hits = await withCalls({}, async (call) => {
      // Installs pandas, makes the zygote, and the third call finds spares.
      await call(3);
      const busy = await call(samples);
      const gaps = await call(Math.min(samples, MAX_GAPS), GAP_MS);
      return [
        { what: `zygote hit, one call every ${GAP_MS} ms`, ...summarize(gaps) },
        { what: 'zygote hit, one call after another', ...summarize(busy) },
      ];
    });
    const without = await withCalls({ import_cache_size: 0 }, async (call) => {
      await call(1);
      const times = await call(Math.min(samples, MAX_WITHOUT));
      return [{ what: 'without the import cache', ...summarize(times) }];
    });
    return {
      rows: [...hits, ...without],
      notes: [
        'One client. Each call makes a small data frame, sums it up, and its sandbox is ended after it.',
      ],
    };
  },
};

type Call = (count: number, gapMs?: number) => Promise<number[]>;

/** Has a worker with these config keys that serves the function; `measure` calls it so often, and gets the times in ms. */
async function withCalls(
  config: ConfigFile,
  measure: (call: Call) => Promise<BenchRow[]>,
): Promise<BenchRow[]> {
  await using rig = await startRig({
    ...NO_CACHE,
    mem_limit_mb: 512,
    invocation_timeout_ms: 120_000,
    ...config,
  });
  await rig.addFunction('frame', CODE, PACKAGES);
  await settle();
  const client = new BenchClient(rig.url);
  const rows = await measure((count, gapMs) => client.postMany('/runLambda/frame', count, gapMs));
  client.close();
  return rows;
}
