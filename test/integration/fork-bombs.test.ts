import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();

const PROCS_MAX = 32;
// The time limit is far away: whoever is ended long before it, is ended for something else.
const worker = useWorker(['echo'], {
  procs_max: PROCS_MAX,
  invocation_timeout_ms: 50_000,
  pause_delay_ms: 20,
});

const PROGRAMS = join(import.meta.dirname, '../hostile/programs');

async function write(name: string, code: string): Promise<void> {
  await worker.current.cluster.writeFunction(name, code);
}

test.each([
  'fork_bomb',
  'thread_bomb',
])('%s is ended for it, which the answer and the log say, while another function is answered', async (name) => {
  const bomb = readFileSync(join(PROGRAMS, `${name}.py`), 'utf8');
  await write(
    name,
    bomb.replace('def handler(event):\n', 'def handler(event):\n    if event == 1: return 1\n'),
  );
  let isOver = false;
  const answer = worker.current.call(name, {}).finally(() => {
    isOver = true;
  });
  for (let call = 0; !isOver; call++) expect(await worker.current.result('echo', call)).toBe(call);
  expectError(
    await answer,
    'ERR_TOO_MANY_PROCESSES',
    new RegExp(`'${name}' was ended.*${PROCS_MAX} of them.*procs_max.*its next sandbox is started in 5 s`),
  );
  expect(worker.current.log).toContainEqual(
    expect.objectContaining({ msg: 'invocation failed', function: name, code: 'ERR_TOO_MANY_PROCESSES' }),
  );
  expect(worker.current.log).toContainEqual(
    expect.objectContaining({
      msg: 'sandbox ended for wanting too many processes',
      sandboxId: expect.stringMatching(`^${name}/`),
      refused: expect.any(Number),
    }),
  );
  const { body } = await worker.current.client.request('/metrics');
  expect(body).toMatch(/^openlambda_errors_total\{code="ERR_TOO_MANY_PROCESSES"\} [12]$/m);
  expect(await worker.current.result(name, 1)).toBe(1);
});

test('a program that is refused some and goes on with what it has is not ended', async () => {
  await write(
    'minds',
    python`
    import threading, time
    def handler(event):
        done, threads, refused = threading.Event(), [], 0
        for _ in range(45):
            thread = threading.Thread(target=done.wait, daemon=True)
            try:
                thread.start()
                threads.append(thread)
            except RuntimeError:
                refused += 1
        done.set()
        for thread in threads: thread.join()
        time.sleep(0.5)
        return refused
  `,
  );
  // More than the bound in all, and again within the same sandbox; but each time it stops.
  for (let call = 0; call < 5; call++) expect(await worker.current.result('minds')).toBeGreaterThan(10);
  expect((await worker.current.sandbox('minds')).id).toMatch(/^minds\//);
  expect(worker.current.log).not.toContainEqual(
    expect.objectContaining({ sandboxId: expect.stringMatching('^minds/'), refused: expect.any(Number) }),
  );
});

test('a bomb that is left behind by a call that was answered ends, too', async () => {
  await write(
    'leaves',
    python`
    import os
    def handler(event):
        if event != 'bomb': return event
        if os.fork() == 0:
            while True:
                try: os.fork()
                except OSError: pass
        return 'left'
  `,
  );
  expect(await worker.current.result('leaves', 'bomb')).toBe('left');
  // It is paused when it is idle; the bomb goes on during the next call, and the sandbox may end under that.
  await until('end of what was left behind', async () => {
    const { status, body } = await worker.current.call('leaves', 'next');
    if (status !== 200) expect(body).toContain('ERR_TOO_MANY_PROCESSES');
    return worker.current.log.some(
      ({ msg, sandboxId }) =>
        msg === 'sandbox ended for wanting too many processes' && String(sandboxId).startsWith('leaves/'),
    );
  });
  expect(await worker.current.result('leaves', 'after')).toBe('after');
});
