import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { aboutPackage } from '../../src/packages/index-file.ts';
import type { Lock, LockedPackage } from '../../src/sandbox/lock.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { nodesOfFile } from '../../src/zygote/given-tree.ts';
import { ImportCache } from '../../src/zygote/import-cache.ts';
import type { TreeFileNode } from '../../src/zygote/tree-file.ts';
import { requestOf } from '../contract/sandbox.contract.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { packageZygotesOf, rootZygoteOf } from '../helpers/processes.ts';
import { python } from '../helpers/python.ts';
import { makeSockEngine, type SockFixture } from '../helpers/sock-engine.ts';

leavesNothing();

const PLENTY_KB = 1024 * 1024;

interface Cached {
  readonly fixture: SockFixture;
  readonly cache: ImportCache;
  readonly metrics: Metrics;
  /** Its warnings. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
}

async function withCache(
  budgetKb: number,
  use: (cached: Cached) => Promise<void>,
  roomKb = () => PLENTY_KB,
): Promise<void> {
  const fixture = await makeSockEngine({ importMemLimitMb: 128, importTimeoutMs: 8000 });
  const log: Record<string, unknown>[] = [];
  const lines = { write: (line: string) => log.push(JSON.parse(line)) };
  const metrics = new Metrics();
  const about = (one: LockedPackage) => aboutPackage(fixture.packagesDir, one);
  const parts = { engine: fixture.engine, budgetKb, roomKb, waitMs: 30_000, about, metrics };
  const cache = new ImportCache({ ...parts, log: pino({ level: 'warn' }, lines) });
  try {
    await use({ fixture, cache, metrics, log });
  } finally {
    await cache.close();
    await fixture.dispose();
  }
}

/** A lock of packages that are each in a directory of their name, all of them imported. */
function lockOf(names: readonly string[], dirs: Readonly<Record<string, string>> = {}): Lock {
  const packages = [...names].sort().map((name) => ({ name, version: '1.0', dir: dirs[name] ?? name }));
  const id = createHash('sha256').update(JSON.stringify(packages)).digest('hex');
  return { id, packages, imports: names };
}

/** Tells which of the modules that the event names are there, and what they hold. */
const TELLER = python`
  import sys
  def handler(event):
      return {name: sys.modules[name].value for name in event if name in sys.modules}
`;

/** What the runtime reads of a lock. */
function writeIndex({ packagesDir }: SockFixture, { id, packages }: Lock): void {
  const dirs = packages.map(({ name, dir }) => [dir, [name]]);
  const path = join(packagesDir, '.locks', `${id}.index`);
  // A sandbox may be reading the one that is there.
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify({ dirs, bin: [], pth: [] }));
}

async function start({ fixture, cache }: Cached, lock: Lock | null, text = TELLER): Promise<Sandbox> {
  if (lock !== null) writeIndex(fixture, lock);
  return await cache.create(await fixture.code('teller', text), lock);
}

async function modules(sandbox: Sandbox, names: readonly string[]): Promise<Record<string, string>> {
  const { body } = await sandbox.request(requestOf(names));
  return JSON.parse(body.toString()) as Record<string, string>;
}

function zygotesOf({ inits }: SockFixture): number[] {
  return packageZygotesOf(rootZygoteOf(inits.at(-1) ?? 0) ?? 0);
}

function expectGone(error: unknown): null {
  expect(error).toMatchObject({ code: 'ERR_SANDBOX_GONE' });
  return null;
}

const UNIQUE = 'import os\nvalue = os.urandom(8).hex()\n';
/** Worth a zygote of its own. */
const SLOW = `import time\ntime.sleep(0.02)\n${UNIQUE}`;

test('the first call waits for a zygote and is forked from it, and so are all that follow', async () => {
  await withCache(PLENTY_KB, async (cached) => {
    await cached.fixture.package('alpha', SLOW);
    const lock = lockOf(['alpha']);
    const all = await Promise.all(Array.from({ length: 5 }, () => start(cached, lock)));
    all.push(await start(cached, lock));
    expect(all.map(({ origin }) => origin)).toEqual(all.map(() => 'zygote'));
    const values = await Promise.all(all.map((one) => modules(one, ['alpha'])));
    expect(new Set(values.map(({ alpha }) => alpha)).size).toBe(1);
    expect((await cached.metrics.text()).body).toMatch(/^openlambda_package_forks_total\{depth="1"\} 6$/m);
  });
});

test('a function without packages is forked from the root zygote', async () => {
  await withCache(PLENTY_KB, async (cached) => {
    await cached.fixture.package('alpha', SLOW);
    await start(cached, lockOf(['alpha']));
    for (const lock of [null, lockOf([])]) {
      const sandbox = await start(cached, lock);
      expect([sandbox.origin, await modules(sandbox, ['alpha'])]).toEqual(['cold', {}]);
    }
  });
});

test('no function ever has a package that it did not ask for, nor one made of other files', async () => {
  await withCache(PLENTY_KB, async (cached) => {
    const names = ['alpha', 'beta', 'gamma', 'delta'];
    for (const name of names) await cached.fixture.package(name, SLOW);
    for (let round = 0; round < 3; round++) {
      for (let set = 1; set < 2 ** names.length; set++) {
        const own = names.filter((_, bit) => (set >> bit) & 1);
        const sandbox = await start(cached, lockOf(own));
        const found = await modules(sandbox, names);
        expect(Object.keys(found).filter((name) => !own.includes(name))).toEqual([]);
        await sandbox.destroy('seen');
      }
    }
    const others = lockOf(['alpha'], { alpha: 'alpha-other' });
    await cached.fixture.package('alpha-other', '');
    const sandbox = await start(cached, others);
    expect(await modules(sandbox, names)).toEqual({});
  });
});

test('what can’t be imported is left to the function, and not tried again', async () => {
  await withCache(PLENTY_KB, async (cached) => {
    await cached.fixture.package('broken', 'import os\nos._exit(1)\n');
    const lock = lockOf(['broken']);
    const first = await start(cached, lock);
    expect([first.origin, await modules(first, ['broken'])]).toEqual(['cold', {}]);
    await cached.fixture.package('broken', SLOW);
    expect((await start(cached, lock)).origin).toBe('cold');
  });
});

test.each([
  ['dies', 'os._exit(1)', /exit code 1/],
  ['hangs', 'time.sleep(1000)', /it took longer than 8000 ms/],
  ['grows past its bound', "kept = [b'x' * 2**20 for _ in range(500)]", /memory was used up/],
])('one that %s while it imports is dropped and remembered, and functions start from its parent', async (_, act, reason) => {
  await withCache(PLENTY_KB, async (cached) => {
    // In a sandbox, which is process 1, nothing is wrong with it.
    const bad = `import os, time\nif os.getpid() != 1: ${act}\n${SLOW}`;
    for (const [name, text] of Object.entries({ sound: SLOW, bad })) await cached.fixture.package(name, text);
    const sound = await start(cached, lockOf(['sound']));
    const { sound: value } = await modules(sound, ['sound']);
    for (let call = 0; call < 3; call++) {
      const sandbox = await start(cached, lockOf(['bad', 'sound']), `${TELLER}# another function\n`);
      expect([sandbox.origin, await modules(sandbox, ['bad', 'sound'])]).toEqual([
        'zygote',
        { sound: value },
      ]);
    }
    expect(zygotesOf(cached.fixture)).toHaveLength(1);
    const failures = cached.log.filter(({ msg }) => msg === 'packages are not imported ahead');
    expect(failures).toMatchObject([
      { packages: ['bad==1.0'], err: { message: expect.stringMatching(reason) } },
    ]);
  });
});

test('one that dies is replaced when it is needed, and what came from it lives on', async () => {
  await withCache(PLENTY_KB, async (cached) => {
    await cached.fixture.package('alpha', SLOW);
    const lock = lockOf(['alpha']);
    const sandbox = await start(cached, lock);
    const { alpha } = await modules(sandbox, ['alpha']);
    for (const pid of zygotesOf(cached.fixture)) process.kill(pid, 'SIGKILL');
    expect(await modules(sandbox, ['alpha'])).toEqual({ alpha });
    const next = await until('another zygote', async () => {
      const made = await start(cached, lock);
      // Asked for before its death was known: a function tries that once more.
      const found = await modules(made, ['alpha']).catch((error) => expectGone(error));
      return made.origin === 'zygote' && found !== null && found.alpha !== alpha ? made : null;
    });
    expect(next.origin).toBe('zygote');
  });
});

const FILE = {
  packages: [],
  children: [{ packages: ['alpha==1.0'], children: [{ packages: ['beta==1.0'], children: [] }] }],
};

test('a given tree is there before the first call, and grows from there', async () => {
  await withCache(PLENTY_KB, async (cached) => {
    for (const name of ['alpha', 'beta', 'gamma']) await cached.fixture.package(name, SLOW);
    await cached.cache.plant(nodesOfFile(FILE), [lockOf(['alpha', 'beta']), lockOf(['alpha'])]);
    expect(zygotesOf(cached.fixture)).toHaveLength(2);
    const both = await start(cached, lockOf(['alpha', 'beta']));
    expect(Object.keys(await modules(both, ['alpha', 'beta']))).toEqual(['alpha', 'beta']);
    expect(zygotesOf(cached.fixture)).toHaveLength(2);
    await start(cached, lockOf(['alpha', 'gamma']));
    expect(zygotesOf(cached.fixture)).toHaveLength(3);
    const { body } = await cached.metrics.text();
    expect(body).toMatch(/^openlambda_package_forks_total\{depth="2"\} 2$/m);
  });
});

test('what a given node can’t import by itself is imported with what is below it', async () => {
  await withCache(PLENTY_KB, async (cached) => {
    await cached.fixture.package('beta', SLOW);
    await cached.fixture.package('needy', `import beta\n${SLOW}`);
    const file = {
      packages: [],
      children: [{ packages: ['needy==1.0'], children: [{ packages: ['beta==1.0'], children: [] }] }],
    };
    const lock = lockOf(['beta', 'needy']);
    await cached.cache.plant(nodesOfFile(file), [lock]);
    expect(zygotesOf(cached.fixture)).toHaveLength(1);
    const sandbox = await start(cached, lock);
    expect(Object.keys(await modules(sandbox, ['beta', 'needy'])).sort()).toEqual(['beta', 'needy']);
    expect((await cached.metrics.text()).body).toMatch(/^openlambda_package_forks_total\{depth="1"\} 1$/m);
  });
});

test('what of a given tree is not installed at first is made when a call comes for it', async () => {
  await withCache(PLENTY_KB, async (cached) => {
    await cached.cache.plant(nodesOfFile(FILE), []);
    expect(zygotesOf(cached.fixture)).toHaveLength(0);
    for (const name of ['alpha', 'beta']) await cached.fixture.package(name, SLOW);
    const sandbox = await start(cached, lockOf(['alpha', 'beta']));
    expect(sandbox.origin).toBe('zygote');
    const { body } = await cached.metrics.text();
    expect(body).toMatch(/^openlambda_package_forks_total\{depth="2"\} 1$/m);
  });
});

test('a tree may be eight deep; what is deeper is imported by the function, from the deepest zygote', async () => {
  await withCache(PLENTY_KB, async (cached) => {
    const names = Array.from({ length: 9 }, (_, index) => `level${index + 1}`);
    for (const name of names) await cached.fixture.package(name, SLOW);
    const chain = names.reduceRight<TreeFileNode[]>(
      (children, name) => [{ packages: [`${name}==1.0`], children }],
      [],
    );
    await cached.cache.plant(nodesOfFile({ packages: [], children: chain }), [lockOf(names)]);
    expect(zygotesOf(cached.fixture)).toHaveLength(8);
    const [eight, nine] = [names.slice(0, 8), names];
    const deepest = await start(cached, lockOf(eight));
    expect([deepest.origin, Object.keys(await modules(deepest, names))]).toEqual(['zygote', eight]);
    const deeper = await start(cached, lockOf(nine));
    expect([deeper.origin, Object.keys(await modules(deeper, names))]).toEqual(['zygote', eight]);
    const [one, other] = [await modules(deepest, names), await modules(deeper, names)];
    expect(other).toEqual(one);
    const { body } = await cached.metrics.text();
    expect(body).toMatch(/^openlambda_package_forks_total\{depth="8"\} 2$/m);
  });
});

test('of a given tree only so much is made as there is room for', async () => {
  await withCache(10 * 1024, async (cached) => {
    for (const name of ['alpha', 'beta']) {
      await cached.fixture.package(name, 'data = bytearray(16 * 1024 * 1024)\n');
    }
    await cached.cache.plant(nodesOfFile(FILE), [lockOf(['alpha', 'beta'])]);
    expect(zygotesOf(cached.fixture).length).toBeLessThan(2);
  });
});

test('what is kept is never evicted, however small the budget', async () => {
  await withCache(30 * 1024, async (cached) => {
    const names = Array.from({ length: 5 }, (_, index) => `large${index}`);
    for (const name of names)
      await cached.fixture.package(name, `data = bytearray(16 * 1024 * 1024)\n${SLOW}`);
    await cached.cache.keep(lockOf(['large0']));
    const value = async () => {
      const sandbox = await start(cached, lockOf(['large0']));
      const { large0 } = await modules(sandbox, ['large0']);
      await sandbox.destroy('seen');
      return large0;
    };
    const first = await value();
    for (const name of names.slice(1)) {
      const sandbox = await start(cached, lockOf([name]));
      await sandbox.destroy('seen');
    }
    expect(await value()).toBe(first);
  });
});

test('memory that is wanted back is given back, what is kept last, and all is made again when there is room', async () => {
  let roomKb = PLENTY_KB;
  const large = `data = bytearray(16 * 1024 * 1024)\n${SLOW}`;
  const test = async (cached: Cached) => {
    for (const name of ['kept', 'used']) await cached.fixture.package(name, large);
    await cached.cache.keep(lockOf(['kept']));
    const origin = async (name: string) => {
      const sandbox = await start(cached, lockOf([name]));
      await sandbox.destroy('seen');
      return sandbox.origin;
    };
    expect([await origin('used'), await origin('kept')]).toEqual(['zygote', 'zygote']);
    expect(cached.cache.lendableKb).toBeGreaterThan(32 * 1024);
    roomKb = 0;
    const first = cached.cache.giveBack(1);
    expect(first.kb).toBeGreaterThan(16 * 1024);
    await first.gone;
    expect(zygotesOf(cached.fixture)).toHaveLength(1);
    expect([await origin('used'), await origin('kept')]).toEqual(['cold', 'zygote']);
    await cached.cache.giveBack(PLENTY_KB).gone;
    expect([zygotesOf(cached.fixture), cached.cache.lendableKb]).toEqual([[], 0]);
    expect([await origin('used'), await origin('kept')]).toEqual(['cold', 'cold']);
    roomKb = PLENTY_KB;
    expect([await origin('used'), await origin('kept')]).toEqual(['zygote', 'zygote']);
  };
  await withCache(PLENTY_KB, test, () => roomKb);
});

test('all together stay within the budget, and those that are used most are kept', async () => {
  const budgetKb = 60 * 1024;
  await withCache(budgetKb, async (cached) => {
    const names = Array.from({ length: 8 }, (_, index) => `large${index}`);
    for (const name of names) {
      await cached.fixture.package(
        name,
        'import time\ndata = bytearray(16 * 1024 * 1024)\nvalue = 1\ntime.sleep(0.05)\n',
      );
      const sandbox = await start(cached, lockOf([name]));
      await sandbox.destroy('seen');
      const { body } = await cached.metrics.text();
      const used = Number(/^openlambda_zygote_memory_bytes (\d+)$/m.exec(body)?.[1]);
      expect(used / 1024).toBeLessThanOrEqual(budgetKb);
    }
    const { body } = await cached.metrics.text();
    expect(Number(/^openlambda_zygotes (\d+)$/m.exec(body)?.[1])).toBeGreaterThanOrEqual(2);
  });
});
