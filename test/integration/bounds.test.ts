import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();

const worker = useWorker(['echo'], {
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
  expectError(await worker.current.call('hungry', 500), 'ERR_OUT_OF_MEMORY', /'hungry' used more than 48 MB/);
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
  await write(
    'bomb',
    python`
    import os, time
    def handler(event):
        count = 0
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(60)
                    os._exit(0)
                count += 1
        except BlockingIOError:
            return count
  `,
  );
  expect(await worker.current.result('bomb')).toBe(15);
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
  const before = cpuTicks(pid ?? 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(cpuTicks(pid ?? 0)).toBe(before);
  expect(await worker.current.result('busy', 2)).toBe(2);
  expect((await worker.current.sandbox('busy')).pid).toBe(pid);
});

/** User and system time of a process, in clock ticks: the fields after the name, which may hold spaces. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}
