import { execFile } from 'node:child_process';
import { lstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
// Not paused between two calls, so that a thread of a handler goes on.
const worker = useWorker(['echo'], { pause_delay_ms: 60_000 });
let made = 0;

interface Written {
  /** Calls it again and returns the result. */
  call(event?: unknown): Promise<unknown>;
  /** Its scratch directory on the host. */
  readonly scratch: string;
  /** What is in a file there. */
  read(file: string): string;
}

/** Writes a function, and calls it once, so that its sandbox is there. */
async function write(code: string, event: unknown = null): Promise<Written> {
  const name = `f${made++}`;
  await worker.current.cluster.writeFunction(name, code);
  const call = (again: unknown = null) => worker.current.result(name, again);
  await call(event);
  const scratch = worker.current.scratch((await worker.current.sandbox(name)).id);
  return { call, scratch, read: (file) => readFileSync(join(scratch, file), 'utf8') };
}

test('what is printed is in `stdout` and `stderr` when the response arrives, call by call', async () => {
  const { call, read } = await write(
    python`
    import sys
    def handler(event):
        print('out', event)
        print('err', event, file=sys.stderr)
  `,
    1,
  );
  expect([read('stdout'), read('stderr')]).toEqual(['out 1\n', 'err 1\n']);
  await call(2);
  expect([read('stdout'), read('stderr')]).toEqual(['out 1\nout 2\n', 'err 1\nerr 2\n']);
});

test('what is printed without a line’s end, and while the function is loaded, is there as well', async () => {
  const { read } = await write(python`
    import os
    print('loaded')
    def handler(event):
        print('half a line', end='')
        os.system('echo from a child')
  `);
  expect(read('stdout')).toMatch(/^loaded\n/);
  expect(read('stdout')).toContain('half a line');
  expect(read('stdout')).toContain('from a child\n');
});

test('text in any writing is UTF-8 in the files', async () => {
  const { read } = await write('def handler(event): print("日本 😀 ä")\n');
  expect(read('stdout')).toBe('日本 😀 ä\n');
});

test('half a surrogate pair cannot be printed, which is the function’s failure', async () => {
  await worker.current.cluster.writeFunction('half', 'def handler(event): print("\\ud800")\n');
  const { status, body } = await worker.current.call('half');
  expect([status, body]).toEqual([500, expect.stringContaining('UnicodeEncodeError')]);
});

test('a warning of Python goes to `stderr`', async () => {
  const { read } = await write('import warnings\ndef handler(event): warnings.warn("careful")\n');
  expect(read('stderr')).toMatch(/careful/);
});

test('a thread that prints after the response is heard', async () => {
  const { read, call } = await write(python`
    import threading
    go = threading.Event()
    def later():
        go.wait()
        print('later')
    def handler(event):
        if event == 'go': go.set()
        else: threading.Thread(target=later, daemon=True).start()
  `);
  expect(read('stdout')).toBe('');
  await call('go');
  await until('output of the thread', () => read('stdout') === 'later\n');
});

test.each([
  ['closes its stdout', 'sys.stdout.close()'],
  ['closes descriptor 1', 'os.close(1)'],
  ['puts None in its place', 'sys.stdout = None'],
  ['puts something strange in its place', 'sys.stdout = 3'],
])('a handler that %s is answered all the same, again and again', async (_what, line) => {
  const { call } = await write(
    `import os, sys\ndef handler(event):\n    if event == 'first': ${line}\n    return event\n`,
    'first',
  );
  for (const event of ['second', 'third']) expect(await call(event)).toBe(event);
});

test('scratch is /host: files that a handler writes there are on the host, under its own uid', async () => {
  const { scratch, read } = await write(python`
    import os
    def handler(event):
        os.makedirs('/host/results/deep')
        with open('/host/results/deep/one.txt', 'w') as file: file.write('ä result')
        os.symlink('/etc/shadow', '/host/link')
  `);
  expect(read('results/deep/one.txt')).toBe('ä result');
  const { uid, gid, mode } = statSync(join(scratch, 'results'));
  expect(uid).toBeGreaterThanOrEqual(0x70000000);
  expect(gid).toBe(uid);
  expect(mode & 0o022).toBe(0);
  expect(statSync(scratch).mode & 0o777).toBe(0o700);
  expect(lstatSync(join(scratch, 'server_pipe')).isSocket()).toBe(true);
});

test('a shell in a sandbox is had by nsenter, as its user', async () => {
  const { scratch } = await write('def handler(event): return event\n');
  const { pid } = await worker.current.sandbox(`f${made - 1}`);
  const enter = [
    '-t',
    String(pid),
    '-a',
    '-S',
    '1000',
    '-G',
    '1000',
    '/bin/sh',
    '-c',
    'id -u; echo x > /host/mine',
  ];
  const { stdout } = await promisify(execFile)('nsenter', enter);
  expect([stdout, readFileSync(join(scratch, 'mine'), 'utf8')]).toEqual(['1000\n', 'x\n']);
});

test('`server_pipe` can be spoken to beside the worker', async () => {
  const { scratch } = await write('def handler(event): return event\n');
  const { request } = await import('node:http');
  const body = await new Promise<string>((resolve, reject) => {
    const call = request({ socketPath: join(scratch, 'server_pipe'), method: 'POST' }, (response) => {
      response.setEncoding('utf8').on('data', resolve);
    });
    call.on('error', reject).end('"by hand"');
  });
  expect(body).toBe('"by hand"');
});
