import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { PackageNursery } from '../../src/sandbox/sock/package-nursery.ts';
import type { ImportZygote } from '../../src/sandbox/zygotes.ts';
import { requestOf } from '../contract/sandbox.contract.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { isStillThere, readProcess, rootZygoteOf } from '../helpers/processes.ts';
import { python } from '../helpers/python.ts';
import { makeSockEngine, type SockFixture } from '../helpers/sock-engine.ts';

leavesNothing();

let fixture: SockFixture;
beforeAll(async () => {
  fixture = await makeSockEngine();
});
afterAll(() => fixture.dispose());

const LOOK = readFileSync(join(import.meta.dirname, '../fixtures/functions/look/lambda_func.py'), 'utf8');
const NAMESPACES = ['user', 'pid', 'mnt', 'uts', 'net'];
/** CAP_SETGID, CAP_SETUID, CAP_NET_ADMIN, CAP_SYS_ADMIN. */
const ZYGOTE_CAPABILITIES = '00000000002010c0';

/** A zygote that has imported a module with this text. */
async function importing(name: string, text: string, parent: ImportZygote | null = null) {
  await fixture.package(name, text);
  return await fixture.engine.importAhead({
    parent,
    directories: readdirSync(fixture.packagesDir).map((one) => `/packages/${one}`),
    modules: [name],
  });
}

function pidOf(zygote: ImportZygote): number {
  if (zygote instanceof PackageNursery && zygote.zygote.pid !== null) return zygote.zygote.pid;
  throw new Error('this zygote has no process');
}

async function from(zygote: ImportZygote, text: string): Promise<Sandbox> {
  return await fixture.engine.createFrom(zygote, await fixture.code('user', text), null);
}

async function ask<T = unknown>(sandbox: Sandbox, event: unknown = null): Promise<T> {
  const { status, body } = await sandbox.request(requestOf(event));
  if (status !== 200) throw new Error(`answered ${status}: ${body}`);
  return JSON.parse(body.toString()) as T;
}

function statusOf(pid: number, key: string): string {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return new RegExp(`^${key}:[ \\t]*(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
}

test('a sandbox has the modules of its zygote, as they were when they had been imported', async () => {
  const zygote = await importing('one', 'import os\nvalue = os.urandom(8).hex()\nprint("imported", value)\n');
  const text = python`
    import sys
    def handler(event): return sys.modules['one'].value
  `;
  const [first, second] = [await from(zygote, text), await from(zygote, text)];
  expect([first.origin, second.origin]).toEqual(['zygote', 'zygote']);
  const value = await ask(first);
  expect(await ask(second)).toBe(value);
  expect(zygote.importMs).toBeGreaterThan(0);
  expect(zygote.memoryKb).toBeGreaterThan(100);
  // Said once, where the zygote's output goes, and in no sandbox.
  const homes = readdirSync(fixture.importCacheDir).map((id) => join(fixture.importCacheDir, id, 'stdout'));
  expect(homes.filter((path) => readFileSync(path, 'utf8') === `imported ${value}\n`)).toHaveLength(1);
  expect(readFileSync(join(fixture.scratch(first.id), 'stdout'), 'utf8')).toBe('');
});

test('nothing else of a sandbox tells that it is not one of the root zygote', async () => {
  const zygote = await importing('two', 'import os\nos.environ["TWO"] = "2"\n');
  const at = ['ids', 'groups', 'mounts', 'dev', 'descriptors', 'interfaces', 'root', 'host', 'processes'];
  const alike = [...at, 'hostname', 'environment', 'initial_environment', 'command', 'path', 'core_limit'];
  const code = await fixture.code('look', LOOK);
  const [cold, forked] = [
    await fixture.engine.create(code, null),
    await fixture.engine.createFrom(zygote, code, null),
  ];
  const looks = [await ask<object>(cold, { at: alike }), await ask<object>(forked, { at: alike })];
  const plain = looks.map((look) => JSON.stringify(look).replaceAll(/socket:\[\d+\]/g, 'socket'));
  expect(JSON.parse(plain[1] ?? '')).toEqual(JSON.parse(plain[0] ?? ''));
});

test('a sandbox has no power: no capabilities, a filter, and ids and namespaces of its own', async () => {
  const zygote = await importing('three', '');
  const code = await fixture.code('look', LOOK);
  const all = await Promise.all([1, 2].map(() => fixture.engine.createFrom(zygote, code, null)));
  const looks = [];
  for (const sandbox of all) {
    looks.push(await ask<{ namespaces: Record<string, string> }>(sandbox, { at: ['namespaces'] }));
    const pid = sandbox.pid() ?? 0;
    for (const key of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect({ [key]: statusOf(pid, key) }).toEqual({ [key]: '0'.repeat(16) });
    expect([statusOf(pid, 'NoNewPrivs'), statusOf(pid, 'Seccomp'), statusOf(pid, 'Groups')]).toEqual([
      '1',
      '2',
      '',
    ]);
    const uid = statusOf(pid, 'Uid').split(/\s+/)[0];
    for (const map of ['uid_map', 'gid_map'])
      expect(readFileSync(`/proc/${pid}/${map}`, 'utf8').trim().split(/\s+/)).toEqual(['1000', uid, '1']);
  }
  const uids = [...all.map((one) => one.pid() ?? 0), pidOf(zygote)].map((pid) => statusOf(pid, 'Uid'));
  expect(new Set(uids).size).toBe(3);
  const ours = NAMESPACES.map((name) => readlinkSync(`/proc/self/ns/${name}`));
  const inside = looks.flatMap(({ namespaces }) => NAMESPACES.map((name) => namespaces[name]));
  expect(new Set([...ours, ...inside]).size).toBe(3 * NAMESPACES.length);
});

test('a zygote has power over nothing but its own namespaces, and nothing to write to', async () => {
  const pid = pidOf(await importing('four', ''));
  expect(Number(statusOf(pid, 'Uid').split(/\s+/)[0])).toBeGreaterThanOrEqual(0x70000000);
  for (const key of ['CapPrm', 'CapEff', 'CapBnd']) expect(statusOf(pid, key)).toBe(ZYGOTE_CAPABILITIES);
  expect([statusOf(pid, 'NoNewPrivs'), statusOf(pid, 'Seccomp')]).toEqual(['1', '2']);
  const root = rootZygoteOf(fixture.inits.at(-1) ?? 0) ?? 0;
  for (const name of ['user', 'mnt', 'ipc', 'uts', 'net'])
    expect(readlinkSync(`/proc/${pid}/ns/${name}`)).not.toBe(readlinkSync(`/proc/${root}/ns/${name}`));
  expect(readlinkSync(`/proc/${pid}/ns/pid`)).toBe(readlinkSync(`/proc/${root}/ns/pid`));
  const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trimEnd().split('\n');
  const writable = mounts.map((line) => line.split(' ')).filter((words) => words[5]?.startsWith('rw'));
  expect(writable.map((words) => words[4])).toEqual(['/proc']);
  expect(readdirSync(`/proc/${pid}/fd`)).toEqual(['0', '1', '2', '3', '4']);
});

test('a zygote that is forked from another one has the imports of both, and outlives it', async () => {
  const parent = await importing('upper', 'value = 1\n');
  const child = await importing('lower', 'import sys\nvalue = sys.modules["upper"].value + 1\n', parent);
  const text = python`
    import sys
    def handler(event): return [sys.modules['upper'].value, sys.modules['lower'].value]
  `;
  expect(await ask(await from(child, text))).toEqual([1, 2]);
  const gone = readProcess(pidOf(parent));
  await parent.close();
  expect(gone !== null && isStillThere(gone)).toBe(false);
  const later = await from(child, text);
  expect([later.origin, await ask(later)]).toEqual(['zygote', [1, 2]]);
  expect(readlinkSync(`/proc/${later.pid()}/ns/user`)).not.toBe(
    readlinkSync(`/proc/${pidOf(child)}/ns/user`),
  );
});

test('of a zygote with native threads, below one without, how its sandboxes end is told', async () => {
  const parent = await importing('alone', 'value = 1\n');
  const text = python`
    import ctypes
    libc = ctypes.CDLL(None)
    libc.pthread_create(ctypes.byref(ctypes.c_ulong()), None, libc.pause, None)
  `;
  const zygote = await importing('threads', text, parent);
  const code = 'import os\ndef handler(event): os._exit(event)\n';
  const sandboxes = await Promise.all(
    [3, 4].map(async (how) => ({ how, sandbox: await from(zygote, code) })),
  );
  for (const { how, sandbox } of sandboxes)
    await expect(ask(sandbox, how)).rejects.toThrow(new RegExp(`exit code ${how}\\b`));
  expect(statusOf(pidOf(zygote), 'Threads')).toBe('2');
});

test('when a zygote dies its sandboxes live on, and those that are asked for come from the root zygote', async () => {
  const zygote = await importing('mortal', '');
  const text = 'import os\ndef handler(event): return os._exit(event) if event else "fine"\n';
  const sandbox = await from(zygote, text);
  await ask(sandbox);
  process.kill(pidOf(zygote), 'SIGKILL');
  expect(await zygote.gone).toBe('signal SIGKILL');
  expect(await ask(sandbox)).toBe('fine');
  const next = await from(zygote, text);
  expect([next.origin, await ask(next)]).toEqual(['cold', 'fine']);
  await expect(ask(sandbox, 3)).rejects.toMatchObject({ fields: { how: 'exit code 3' } });
  expect(await sandbox.dead).toMatchObject({ code: 3, signal: null });
});

test('many sandboxes of one zygote are made at once, and each end is told of', async () => {
  const zygote = await importing('many', 'value = 7\n');
  const text = 'import many\ndef handler(event): return [many.value, event]\n';
  const all = await Promise.all(Array.from({ length: 40 }, () => from(zygote, text)));
  expect(await Promise.all(all.map((one, index) => ask(one, index)))).toEqual(
    all.map((_, index) => [7, index]),
  );
  expect(new Set(all.map((one) => statusOf(one.pid() ?? 0, 'Uid'))).size).toBe(40);
  const deaths = await Promise.all(all.map((one) => one.destroy('enough')));
  expect(deaths.every(({ reason, signal }) => reason === 'enough' && signal === 'SIGKILL')).toBe(true);
});

test('what must not repeat does not: random, uuid, ssl, secrets', async () => {
  const zygote = await importing(
    'chance',
    'import random, uuid, ssl, secrets, tempfile\nfirst = [random.random(), str(uuid.uuid1()), ssl.RAND_bytes(8)]\n',
  );
  const text = python`
    import random, uuid, ssl, secrets, tempfile
    def handler(event):
        name = next(tempfile._get_candidate_names())
        return [random.random(), str(uuid.uuid4()), str(uuid.uuid1()), ssl.RAND_bytes(8).hex(), secrets.token_hex(8), name]
  `;
  const answers = await Promise.all(
    Array.from({ length: 10 }, async () => await ask<unknown[]>(await from(zygote, text))),
  );
  expect(new Set(answers.flat()).size).toBe(60);
});

test('sandboxes that make time-based UUIDs at the same moment never make the same one', async () => {
  const zygote = await importing('clocked', 'import uuid\nfirst = uuid.uuid1()\n');
  const text = python`
    import time, uuid
    def handler(event):
        time.sleep(max(0, event - time.time()))
        return [uuid.uuid1().hex for _ in range(5000)]
  `;
  const sandboxes = await Promise.all([from(zygote, text), from(zygote, text), from(zygote, text)]);
  const start = Date.now() / 1000 + 0.5;
  const made = await Promise.all(sandboxes.map((sandbox) => ask<string[]>(sandbox, start)));
  expect(new Set(made.flat()).size).toBe(15_000);
});

test('what the first sandboxes of a zygote have written to is copied ahead for later ones', async () => {
  const zygote = await importing('large', 'values = bytearray(b"x" * 500 * 4096)\n');
  const text = python`
    import resource, large
    def handler(event):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for at in range(0, len(large.values), 4096):
            large.values[at] = 1
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
  `;
  const faultsOfNext = async () => await ask<number>(await from(zygote, text));
  const first = [await faultsOfNext(), await faultsOfNext()];
  expect(Math.min(...first)).toBeGreaterThan(400);
  await until('one has its own copies from the start', async () => (await faultsOfNext()) < 50);
});

test.each([
  ['raises', 'raise ValueError("on purpose")\n', /^ValueError: on purpose$/],
  ['is not there', 'import nowhere\n', /^ModuleNotFoundError: No module named 'nowhere'$/],
  ['ends the process', 'import os\nos._exit(3)\n', /^exit code 3$/],
  ['asks for the end', 'import sys\nsys.exit(3)\n', /^SystemExit: 3$/],
  ['crashes', 'import ctypes\nctypes.string_at(0)\n', /^signal SIGSEGV$/],
  ['keeps a file open', 'file = open("/etc/passwd")\n', /keep files open: \/etc\/passwd/],
  [
    'starts a thread',
    'import threading, time\nthreading.Thread(target=time.sleep, args=(100,), daemon=True, name="busy").start()\n',
    /start 1 threads of Python: busy/,
  ],
  ['writes events', 'import os\nos.write(4, b"rubbish\\n")\n', /broke the protocol: 'rubbish' is no event/],
  [
    'makes up an end',
    'import os\nos.write(4, b\'{"event":"exit","id":1,"code":0,"signal":null}\\n\')\n',
    /is no event/,
  ],
])('a module that %s while it is imported is ERR_IMPORT with the reason', async (what, text, reason) => {
  const name = `broken_${what.replaceAll(' ', '_')}`;
  const homes = readdirSync(fixture.importCacheDir).length;
  await expect(importing(name, text)).rejects.toMatchObject({
    code: 'ERR_IMPORT',
    fields: { modules: name, reason: expect.stringMatching(reason) },
  });
  expect(readdirSync(fixture.importCacheDir)).toHaveLength(homes);
});

test('what is only worth a try may fail, and what it had done by then is not there', async () => {
  await fixture.package('fragile', 'import sys\nsys.cracked = True\nraise ValueError()\n');
  await fixture.package('sound', 'value = 5\n');
  const directories = ['/packages/fragile', '/packages/sound'];
  const modules = ['fragile', 'sound', 'sound.value', 'nowhere'];
  const zygote = await fixture.engine.importAhead({ parent: null, directories, modules });
  const text = python`
    import sys
    def handler(event):
        return ['sound' in sys.modules, 'fragile' in sys.modules, hasattr(sys, 'cracked')]
  `;
  expect(await ask(await from(zygote, text))).toEqual([true, false, false]);
});

test('a zygote tells what each import has loaded', async () => {
  await fixture.package('user', 'import used\n');
  await fixture.package('used', 'value = 1\n');
  await fixture.package('unused', 'value = 1\n');
  const directories = ['/packages/unused', '/packages/used', '/packages/user'];
  const parent = await fixture.engine.importAhead({ parent: null, directories, modules: ['user', 'used'] });
  expect(parent.loaded).toEqual({
    before: [],
    steps: [
      { module: 'user', directories: ['/packages/used', '/packages/user'] },
      { module: 'used', directories: [] },
    ],
  });
  const child = await fixture.engine.importAhead({ parent, directories, modules: ['unused'] });
  expect(child.loaded).toEqual({
    before: ['/packages/used', '/packages/user'],
    steps: [{ module: 'unused', directories: ['/packages/unused'] }],
  });
});

test('where a zygote has no uids left for another sandbox, it is forked from the one above', async () => {
  const names = Array.from({ length: 8 }, (_, index) => `storey${index + 1}`);
  let zygote: ImportZygote | null = null;
  for (const name of names) zygote = await importing(name, 'value = 1\n', zygote);
  const text = python`
    import sys
    def handler(event): return sum(name.startswith('storey') for name in sys.modules)
  `;
  const sandboxes: Sandbox[] = [];
  for (let count = 0; count < 20; count++) sandboxes.push(await from(zygote as ImportZygote, text));
  const storeys = await Promise.all(sandboxes.map((one) => ask<number>(one)));
  expect([...new Set(storeys)].sort()).toEqual([7, 8]);
  await Promise.all(sandboxes.map((one) => one.destroy('done')));
});

test('how a sandbox of it ended is known, though this process was held up until all of it was over', async () => {
  const zygote = await importing('heldup', 'value = 1\n');
  // The first one takes the spare that was made with the zygote: the second is forked for its request.
  const spare = await from(zygote, 'def handler(event): pass\n');
  const sandbox = await from(zygote, 'import os\ndef handler(event): os._exit(3)\n');
  const answer = sandbox.request(requestOf(null));
  // Before we have read that it was forked it has been reaped, and both are told on streams of their own.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  await expect(answer).rejects.toMatchObject({ code: 'ERR_SANDBOX_DIED' });
  expect(await sandbox.dead).toMatchObject({ code: 3, signal: null });
  await spare.destroy('done');
});

test('what its sandboxes write to is learned though each is ended right after its answer', async () => {
  const zygote = await importing('written', 'data = bytearray(256 * 4096)\n');
  const text = python`
    import resource
    import written

    def faults():
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    def handler(event):
        before = faults()
        for at in range(0, len(written.data), 4096):
            written.data[at] = 1
        return faults() - before
  `;
  const copied = async () => {
    const sandbox = await from(zygote, text);
    const count = await ask<number>(sandbox);
    await sandbox.destroy('the test is over');
    return count;
  };
  // Each page is copied when it is written to, until spares have copied them before.
  expect(await copied()).toBeGreaterThan(200);
  // The second and the third are looked at, and some spares are there already by then.
  const counts = [];
  for (let made = 0; made < 10; made++) counts.push(await copied());
  expect(Math.min(...counts)).toBeLessThan(50);
});
