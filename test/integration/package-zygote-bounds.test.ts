import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { python } from '../helpers/python.ts';
import { type EngineOptions, makeSockEngine, type SockFixture } from '../helpers/sock-engine.ts';

leavesNothing();

async function withEngine(
  options: EngineOptions,
  use: (fixture: SockFixture) => Promise<void>,
): Promise<void> {
  const fixture = await makeSockEngine(options);
  try {
    await use(fixture);
  } finally {
    await fixture.dispose();
  }
}

/** Imports a module with this text in a zygote. */
async function importing({ package: make, engine }: SockFixture, text: string) {
  await make('tested', text);
  return await engine.importAhead({ parent: null, directories: ['/packages/tested'], modules: ['tested'] });
}

test('an import that hangs is ended when its time is over', async () => {
  await withEngine({ importTimeoutMs: 300 }, async (fixture) => {
    await expect(importing(fixture, 'import time\ntime.sleep(1000)\n')).rejects.toMatchObject({
      code: 'ERR_IMPORT',
      fields: { reason: 'it took longer than 300 ms' },
    });
  });
});

test('an import that uses up its memory is ended, and what it has started with it', async () => {
  await withEngine({ importMemLimitMb: 64 }, async (fixture) => {
    const text = python`
      import os, time
      if os.fork() == 0: time.sleep(1000)
      data = [b'x' * (1024 * 1024) for _ in range(500)]
    `;
    await expect(importing(fixture, text)).rejects.toMatchObject({
      code: 'ERR_IMPORT',
      fields: { reason: expect.stringMatching(/memory was used up/) },
    });
  });
});

test('a zygote within its bounds works, in a cgroup of its own', async () => {
  await withEngine({ importMemLimitMb: 64 }, async (fixture) => {
    const zygote = await importing(fixture, 'value = 3\n');
    const code = await fixture.code(
      'user',
      'import sys\ndef handler(event): return sys.modules["tested"].value\n',
    );
    const sandbox = await fixture.engine.createFrom(zygote, code, null);
    const { body } = await sandbox.request({
      body: Buffer.from('1'),
      timeoutMs: 30_000,
      responseMaxBytes: 1024,
    });
    expect(body.toString()).toBe('3');
  });
});

/** Each is tried while it is imported; what comes of it is printed. */
const ATTACKS: readonly (readonly [string, string])[] = [
  ['kill the root zygote', 'os.kill(1, 9)'],
  [
    'see other processes',
    'assert [p for p in os.listdir("/proc") if p.isdigit()] != [str(os.getpid())], "none"',
  ],
  ['write to the base image', 'open("/usr/new", "w")'],
  ['write to the packages', 'open("/packages/new", "w")'],
  ['make the base image writable', 'mount(None, b"/", None, 32 | 4096, None)'],
  ['make the packages writable', 'mount(None, b"/packages", None, 32 | 4096, None)'],
  ['mount the cgroups', 'mount(b"cgroup", b"/tmp", b"cgroup2", 0, None)'],
  ['be root of the machine', 'os.setresuid(2**20, 2**20, 2**20)'],
  ['enter the namespaces of the root zygote', 'os.stat("/proc/1/ns/mnt")'],
  ['read the memory of the root zygote', 'open("/proc/1/mem", "rb")'],
  ['make a device', 'os.mknod("/tmp/sda", 0o60600, os.makedev(8, 0))'],
  ['set the clock', 'time.clock_settime(time.CLOCK_REALTIME, 0)'],
  ['load a kernel module', 'call(313, 0, b"", 0)'],
  ['change the kernel', 'open("/proc/sys/kernel/panic", "w").write("1")'],
];

test('code that is imported has no power over the machine or over other zygotes', async () => {
  await withEngine({}, async (fixture) => {
    const tries = ATTACKS.map(
      ([what, code]) => `attempt(${JSON.stringify(what)}, lambda: exec(${JSON.stringify(code)}, globals()))`,
    );
    const text = [
      python`
      import ctypes, os, time
      results = {}
      libc = ctypes.CDLL(None, use_errno=True)
      def checked(result):
          if result < 0: raise OSError(ctypes.get_errno(), 'refused')
      def mount(*arguments): checked(libc.mount(*arguments))
      def call(*arguments): checked(libc.syscall(*arguments))
      def attempt(what, act):
          try:
              act()
              results[what] = 'done'
          except (OSError, AssertionError) as error:
              results[what] = type(error).__name__
    `,
      ...tries,
    ].join('\n');
    const zygote = await importing(fixture, text);
    const code = await fixture.code('user', 'import tested\ndef handler(event): return tested.results\n');
    const sandbox = await fixture.engine.createFrom(zygote, code, null);
    const { body } = await sandbox.request({
      body: Buffer.from('1'),
      timeoutMs: 30_000,
      responseMaxBytes: 1 << 20,
    });
    const results = JSON.parse(body.toString()) as Record<string, string>;
    expect(Object.keys(results)).toEqual(ATTACKS.map(([what]) => what));
    expect(Object.entries(results).filter(([, result]) => result === 'done')).toEqual([]);
  });
});
