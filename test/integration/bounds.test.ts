import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { TestWorker, useWorker } from '../helpers/worker.ts';

leavesNothing();

const worker = useWorker(['echo', 'forks'], {
  mem_limit_mb: 48,
  procs_max: 16,
  open_files_max: 32,
  file_max_mb: 1,
  pause_delay_ms: 10,
});

async function write(name: string, code: string): Promise<void> {
  await worker.current.cluster.writeFunction(name, code);
}

test('a function that uses up its memory is 502 and says so, and the next call is fine', async () => {
  await write(
    'hungry',
    python`
    def handler(mb):
        return len(b'x' * (mb * 1024 * 1024))
  `,
  );
  expect(await worker.current.result('hungry', 1)).toBe(1024 * 1024);
  expectError(
    await worker.current.call('hungry', 500),
    'ERR_OUT_OF_MEMORY',
    /'hungry' was ended.*used more than 48 MB.*mem_limit_mb/,
  );
  expect(await worker.current.result('hungry', 2)).toBe(2 * 1024 * 1024);
});

test('what a function keeps in /tmp counts as its memory', async () => {
  await write(
    'keeper',
    python`
    def handler(event):
        for number in range(500):
            with open('/tmp/%d' % number, 'wb') as file:
                file.write(b'x' * (1024 * 1024))
  `,
  );
  expectError(await worker.current.call('keeper'), 'ERR_OUT_OF_MEMORY', /48 MB/);
});

test('a fork bomb gets no further than its bound, and nobody else notices', async () => {
  expect(await worker.current.result('forks')).toBe(15);
  expect(await worker.current.result('echo', 'still here')).toBe('still here');
});

test('threads count, too', async () => {
  await write(
    'threads',
    python`
    import threading, time
    def handler(event):
        count = 0
        try:
            while True:
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
                count += 1
        except RuntimeError:
            return count
  `,
  );
  expect(await worker.current.result('threads')).toBeLessThan(16);
});

test('open files and the size of a file have a bound, which the function meets as an error', async () => {
  await write(
    'files',
    python`
    import errno
    def handler(event):
        met = []
        try:
            held = [open('/dev/null') for _ in range(100)]
        except OSError as error:
            met.append(errno.errorcode[error.errno])
        held = None
        try:
            with open('/host/large', 'wb', buffering=0) as file:
                while True:
                    file.write(b'x' * 65536)
        except OSError as error:
            met.append(errno.errorcode[error.errno])
        return met
  `,
  );
  expect(await worker.current.result('files')).toEqual(['EMFILE', 'EFBIG']);
});

test('an idle sandbox is paused, uses no CPU time then, and serves the next call', async () => {
  await write(
    'busy',
    python`
    import threading
    def spin():
        while True:
            pass
    threading.Thread(target=spin, daemon=True).start()
    def handler(event):
        return event
  `,
  );
  expect(await worker.current.result('busy', 1)).toBe(1);
  await until('pause', async () => (await worker.current.sandbox('busy')).state === 'paused');
  const { pid } = await worker.current.sandbox('busy');
  // At most the tick in which it was stopped; running on, it would have thirty each time. A daemon takes a moment to stop it.
  await until('standstill', async () => {
    const before = cpuTicks(pid ?? 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    return cpuTicks(pid ?? 0) - before <= 1;
  });
  expect(await worker.current.result('busy', 2)).toBe(2);
  expect((await worker.current.sandbox('busy')).pid).toBe(pid);
});

test('what is printed has the bound of a file: the rest is lost, and the function goes on', async () => {
  await write(
    'chatty',
    python`
    import os
    def handler(event):
        try:
            for _ in range(3): print('x' * (1024 * 1024), flush=True)
        except OSError as error:
            return [error.strerror, os.stat('/host/stdout').st_size]
  `,
  );
  expect(await worker.current.result('chatty')).toEqual(['File too large', 1024 * 1024]);
  expect(await worker.current.result('chatty')).toEqual(['File too large', 1024 * 1024]);
});

test('a busy loop gets no more than its share of a core', async () => {
  await using slow = await TestWorker.start({ cpu_percent: 20, spare_sandboxes: 1 });
  await slow.cluster.writeFunction(
    'loop',
    python`
    import time
    def handler(event):
        begin = time.monotonic()
        while time.monotonic() - begin < 1: pass
        return time.process_time()
  `,
  );
  await slow.result('loop');
  // A second of the clock: a fifth of it, and what is left of the period.
  const before = cpuTicks((await slow.sandbox('loop')).pid ?? 0);
  await slow.result('loop');
  const ticks = cpuTicks((await slow.sandbox('loop')).pid ?? 0) - before;
  expect(ticks).toBeGreaterThan(0);
  expect(ticks / TICKS_PER_SECOND).toBeLessThan(0.5);
});

/** A function that goes beyond a bound, and what is told of it. */
const BEYOND = [
  ['memory', 'ERR_OUT_OF_MEMORY', "kept = b'x' * (500 << 20)"],
  ['time', 'ERR_TIMEOUT', 'import time; time.sleep(60)'],
  ['response', 'ERR_RESPONSE_TOO_LARGE', "return 'x' * (2 << 20)"],
] as const;

test.each(
  BEYOND,
)('beyond its %s: %s in the answer and in the log, and the next call gets a fresh sandbox', async (name, code, line) => {
  await using strict = await TestWorker.start({
    mem_limit_mb: 48,
    // Far above what filling the memory takes on a slow machine.
    invocation_timeout_ms: code === 'ERR_TIMEOUT' ? 500 : 60_000,
    response_max_kb: 1024,
    spare_sandboxes: 1,
  });
  await strict.cluster.writeFunction(
    name,
    python`
    calls = 0
    def handler(event):
        global calls
        calls += 1
        if event == 'beyond':
            ${line}
        return calls
  `,
  );
  expect(await strict.result(name, 'within')).toBe(1);
  expect(await strict.result(name, 'within')).toBe(2);
  expectError(await strict.call(name, 'beyond'), code);
  expect(strict.log).toContainEqual(
    expect.objectContaining({ msg: 'invocation failed', function: name, code }),
  );
  expect(await strict.result(name, 'within')).toBe(1);
});

test('that a sandbox wanted more processes than it may have is in the log when it ends', async () => {
  await write(
    'refused',
    python`
    import os, time
    def handler(event):
        try:
            while True:
                if os.fork() == 0: time.sleep(60)
        except BlockingIOError:
            os._exit(3)
  `,
  );
  expectError(await worker.current.call('refused'), 'ERR_SANDBOX_DIED', /exit code 3/);
  expect(worker.current.log).toContainEqual(
    expect.objectContaining({
      msg: 'sandbox wanted more processes than procs_max',
      sandboxId: expect.stringMatching(/^refused\//),
      pidsRefused: 1,
    }),
  );
});

/** USER_HZ, on every machine that Node runs on. */
const TICKS_PER_SECOND = 100;

/** User and system time of a process, in clock ticks: the fields after the name, which may hold spaces. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}
