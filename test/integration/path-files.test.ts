import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConfigFile } from '../../src/config/schema.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex, type TestPackage } from '../helpers/package-index.ts';
import { python } from '../helpers/python.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

/** What each of these does is seen in `sys`, where a call can look at it. */
const COUNT = "import sys; sys.carried_out = getattr(sys, 'carried_out', []) + ";
const PACKAGES: readonly TestPackage[] = [
  {
    name: 'base-part',
    version: '1.0',
    files: {
      'base_part.py':
        'import time; time.sleep(0.02)\ntry:\n  import hidden\nexcept ImportError:\n  hidden = None\n',
      'below/hidden.py': 'VALUE = 7\n',
      'base_part.pth': `below\nmissing-directory\n${COUNT}["base"]\n`,
    },
  },
  {
    name: 'upper-part',
    version: '1.0',
    requires: ['base-part'],
    files: {
      'upper_part.py':
        'import time; time.sleep(0.02)\nimport base_part, os\nSEEN = os.environ.get("FROM_PTH")\n',
      'front/told.py': 'VALUE = 8\n',
      'a_first.pth': `${COUNT}["first"]\nimport os; os.environ["FROM_PTH"] = "set"; os.environ.pop("LANG")\n`,
      'b_last.pth': `import os; sys = __import__("sys"); sys.path.insert(0, os.path.join(sitedir, "front"))\n${COUNT}["last"]\n`,
    },
  },
  {
    name: 'odd-part',
    version: '1.0',
    files: {
      'odd_part.py': 'import time; time.sleep(0.02)\nVALUE = 9\n',
      'odd.pth': `import sys; sys.path.reverse()\n${COUNT}["odd"]\n`,
    },
  },
  {
    name: 'wrong-part',
    version: '1.0',
    files: {
      'wrong_part.py': 'import time; time.sleep(0.02)\nVALUE = 10\n',
      'wrong.pth': `${COUNT}["before"]\nimport nowhere_to_be_found\n${COUNT}["after"]\n`,
    },
  },
];

const TELLER = (names: readonly string[]) => python`
  import os, sys
  ${names.map((name) => `import ${name}`).join('; ')}
  def handler(event):
      upper, base = sys.modules.get('upper_part'), sys.modules.get('base_part')
      return {
          'path': sys.path,
          'carried out': getattr(sys, 'carried_out', None),
          'environment': {name: os.environ.get(name) for name in ('FROM_PTH', 'LANG', 'PATH', 'PYTHONPATH')},
          'seen while importing': [upper and upper.SEEN, base and base.hidden and base.hidden.VALUE],
          'told': __import__('told').VALUE if upper else None,
      }
`;

let index: TestIndex;
let cached: TestWorker;
let plain: TestWorker;
beforeAll(async () => {
  index = await TestIndex.start();
  for (const one of PACKAGES) index.add(one);
  const settings: ConfigFile = { pip_mirror: index.url, handler_cache_size: 0 };
  cached = await TestWorker.start(settings);
  const worker_dir = join(cached.cluster.paths.workers, 'worker-1');
  plain = await TestWorker.start({ ...settings, worker_dir, import_cache_size: 0 }, cached.cluster);
});
afterAll(async () => {
  await plain[Symbol.asyncDispose]();
  await cached[Symbol.asyncDispose]();
  await index[Symbol.asyncDispose]();
});

interface Told {
  readonly path: readonly string[];
  readonly 'carried out': readonly string[];
  readonly environment: Readonly<Record<string, string | null>>;
  readonly 'seen while importing': readonly unknown[];
  readonly told: number | null;
}

async function forks(depth: number): Promise<number> {
  const { body } = await cached.client.request('/metrics');
  return Number(
    new RegExp(`^openlambda_package_forks_total\\{depth="${depth}"\\} (\\d+)$`, 'm').exec(body)?.[1] ?? 0,
  );
}

/** What a function with these packages finds: without a zygote, and each time with one of this depth. */
async function both(
  name: string,
  modules: readonly string[],
  depth: number,
): Promise<readonly [Told, Told[]]> {
  await cached.cluster.writeFunction(name, {
    'packages.txt': modules.map((one) => `${one.replace('_', '-')}\n`).join(''),
    'lambda_func.py': TELLER(modules),
  });
  const before = await forks(depth);
  const withZygote = [await cached.result<Told>(name), await cached.result<Told>(name)];
  expect(await forks(depth)).toBe(before + 2);
  return [await plain.result<Told>(name), withZygote];
}

describe('the .pth files of packages', () => {
  test('do in a zygote, before it imports, what they do without one, and once', async () => {
    const [alone, zygotes] = await both('base', ['base_part'], 1);
    expect(alone['carried out']).toEqual(['base']);
    expect(alone['seen while importing']).toEqual([null, 7]);
    expect(alone.path.at(-1)).toMatch(/^\/packages\/base-part-1\.0-[0-9a-f]+\/below$/);
    expect(zygotes).toEqual([alone, alone]);
  });

  test('do so in zygotes below one another: paths in front and behind, and variables', async () => {
    const [alone, zygotes] = await both('upper', ['upper_part'], 2);
    expect(alone['carried out']).toEqual(['base', 'first', 'last']);
    expect(alone['seen while importing']).toEqual(['set', 7]);
    expect(alone.told).toBe(8);
    expect(alone.path[0]).toMatch(/\/front$/);
    expect(alone.environment).toMatchObject({ FROM_PTH: 'set', LANG: null });
    expect(zygotes).toEqual([alone, alone]);
  });

  test('that do what a fork cannot have again are no business of a zygote: the function imports for itself', async () => {
    const [alone, zygotes] = await both('odd', ['odd_part'], 0);
    expect(alone['carried out']).toEqual(['odd']);
    expect(zygotes).toEqual([alone, alone]);
    expect(cached.log).toContainEqual(
      expect.objectContaining({
        msg: 'packages are not imported ahead',
        err: expect.objectContaining({
          message: expect.stringMatching(/path files do more to sys\.path than to add to it: .*\/odd\.pth/),
        }),
      }),
    );
  });

  test('that fail are left where they failed, as on a usual installation', async () => {
    const [alone, zygotes] = await both('wrong', ['wrong_part'], 1);
    expect(alone['carried out']).toEqual(['before']);
    expect(zygotes).toEqual([alone, alone]);
  });
});
