import { expect, test } from 'vitest';
import type { WorkerResponse } from '../../src/client/worker-client.ts';
import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { readProcess, treeOf } from '../helpers/processes.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
// Not paused between two calls: what goes on there is what some of these are about.
const worker = useWorker(['echo'], { pause_delay_ms: 60_000 });
/** Its time limit is for those tests alone that wait for it: no other call has to be quick. */
const hasty = useWorker(['sleep'], { invocation_timeout_ms: 2000 });
let made = 0;

/** Writes a function and calls it; it answers the event 'well' well. */
async function answerOf(line: string, top = '', by = worker.current): Promise<WorkerResponse> {
  const name = `f${made++}`;
  await by.cluster.writeFunction(
    name,
    `import ctypes, os, signal, sys, time\n${top}\ndef handler(event):\n    if event == 'well': return 'fine'\n    ${line}\n`,
  );
  return await by.call(name, 'badly');
}

/** The next call of the last function works, in a new sandbox. */
async function expectRecovered(by = worker.current): Promise<void> {
  const { status, body, headers } = await by.call(`f${made - 1}`, 'well');
  expect([status, body, headers['x-openlambda-start']]).toEqual([200, '"fine"', 'cold']);
}

test.each([
  ['os._exit(3)', 'exit code 3'],
  ['os._exit(0)', 'exit code 0'],
  ['ctypes.string_at(0)', 'signal SIGSEGV'],
  // The first process of a pid namespace gets no signal from itself: abort() ends it with a forbidden instruction instead.
  ['os.abort()', 'signal SIG(ABRT|SEGV)'],
])('a handler that ends its process by %s is 502 with how, and the next call works', async (line, how) => {
  expectError(
    await answerOf(line),
    'ERR_SANDBOX_DIED',
    new RegExp(`the sandbox of 'f\\d+' died during the request: ${how}$`),
  );
  await expectRecovered();
});

test('a system call that is not on the list of the allowed ones fails, and the process lives on', async () => {
  const { status, body } = await answerOf('return ctypes.CDLL(None, use_errno=True).swapon(b"/x", 0)');
  expect([status, body]).toEqual([200, '-1']);
});

test('a process that ends while it is loaded is 502, each time', async () => {
  for (let count = 0; count < 2; count++) {
    const message = /the sandbox of 'f\d+' died before it took the request: exit code 7$/;
    expectError(await answerOf('pass', 'os._exit(7)'), 'ERR_SANDBOX_GONE', message);
  }
});

test('a call over the time limit is 504, its sandbox ends, and the next call works', async () => {
  await hasty.current.result('sleep', { ms: 0 });
  const { pid } = await hasty.current.sandbox('sleep');
  expectError(
    await hasty.current.call('sleep', { ms: 60_000 }),
    'ERR_TIMEOUT',
    /'sleep' took longer than 2000 ms/,
  );
  await until('end of the sandbox', () => readProcess(pid ?? 0) === null);
  expect(await hasty.current.result('sleep', { ms: 0, value: 1 })).toBe(1);
});

test.each([
  ['spins', 'while True: pass'],
  [
    'ignores every signal',
    'for n in range(1, 32):\n        try: signal.signal(n, signal.SIG_IGN)\n        except OSError: pass\n    time.sleep(60)',
  ],
  ['never reads on', 'os.closerange(0, 10); time.sleep(60)'],
])('a handler that %s is ended by the time limit, or sooner', async (_what, line) => {
  const { status } = await answerOf(line, '', hasty.current);
  expect([502, 504]).toContain(status);
  await expectRecovered(hasty.current);
});

test('the time limit also holds while the function is loaded', async () => {
  expectError(await answerOf('pass', 'time.sleep(60)', hasty.current), 'ERR_TIMEOUT');
});

test('children that a handler leaves die with its sandbox', async () => {
  await worker.current.cluster.writeFunction(
    'parent',
    python`
    import os, subprocess, sys, time
    def handler(event):
        if event == 'end': os._exit(0)
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0: time.sleep(1000)
                os._exit(0)
        subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])
        return 'left'
  `,
  );
  expect(await worker.current.result('parent')).toBe('left');
  const { pid } = await worker.current.sandbox('parent');
  const tree = await until('children', () => {
    const found = treeOf(pid ?? 0);
    return found.length >= 5 ? found : null;
  });
  expectError(await worker.current.call('parent', 'end'), 'ERR_SANDBOX_DIED', /exit code 0/);
  await until('end of the children', () =>
    tree.every((one) => readProcess(one.pid)?.startTicks !== one.startTicks),
  );
});

test('a handler that answers by itself does not know which request it has: 502, and another sandbox', async () => {
  const line = 'os.write(4, b"HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\n\\r\\n1"); return "real"';
  expectError(await answerOf(line), 'ERR_BAD_RESPONSE', /broke the protocol/);
  await until('a new sandbox', async () => {
    const answer = await worker.current.call(`f${made - 1}`, 'well');
    return answer.body === '"fine"' && answer.headers['x-openlambda-start'] === 'cold';
  });
});

test('a handler that writes rubbish to the worker is 502', async () => {
  expectError(
    await answerOf('os.write(4, b"rubbish\\r\\n\\r\\n"); time.sleep(60)'),
    'ERR_BAD_RESPONSE',
    /broke the protocol/,
  );
  await expectRecovered();
});

test('a handler that closes its connection and goes on is 502', async () => {
  expectError(
    await answerOf('os.close(4); time.sleep(60)'),
    'ERR_BAD_RESPONSE',
    /closed its connection and went on/,
  );
  await expectRecovered();
});

test('a sandbox that dies between two calls is no matter of the next one', async () => {
  await worker.current.cluster.addFixture('echo', 'between');
  for (let count = 0; count < 20; count++) {
    expect(await worker.current.result('between', count)).toBe(count);
    const { pid } = await worker.current.sandbox('between');
    process.kill(pid ?? 0, 'SIGKILL');
    // At once, so that the next call meets it in each state of its end, and later, when all is known.
    if (count % 4 === 0) await until('end of the sandbox', () => readProcess(pid ?? 0) === null);
  }
});

test('one function’s death is not felt by another', async () => {
  const calls = Array.from({ length: 20 }, (_, count) => worker.current.result('echo', count));
  const deaths = [answerOf('os._exit(1)'), answerOf('os.abort()')];
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 20 }, (_, count) => count));
  for (const death of deaths) expectError(await death, 'ERR_SANDBOX_DIED');
});
