import { expect, test, vi } from 'vitest';
import { Children } from '../../../../src/sandbox/sock/children.ts';
import type { Exit } from '../../../../src/sandbox/sock/control.ts';

const EXIT: Exit = { code: 3, signal: null };
const KILLED: Exit = { code: null, signal: 9 };

/** By a descriptor of no process: nobody looks at it here, unless the test says so. */
function claimed(listener: (exit: Exit) => void, pidfd = -1) {
  return { pidfd, listener };
}

function collector(): { told: Exit[]; listener: (exit: Exit) => void } {
  const told: Exit[] = [];
  return { told, listener: (exit) => told.push(exit) };
}

test('who has claimed a process is told of its end, once', () => {
  const children = new Children();
  const { told, listener } = collector();
  expect(children.claim(5, claimed(listener))).toBe(true);
  children.reaped(6, KILLED);
  children.reaped(5, EXIT);
  children.reaped(5, KILLED);
  children.end();
  expect(told).toEqual([EXIT]);
});

test('nobody can claim what another one has', () => {
  const children = new Children();
  const [first, second] = [collector(), collector()];
  children.claim(5, claimed(first.listener));
  expect(children.claim(5, claimed(second.listener))).toBe(false);
  children.reaped(5, EXIT);
  expect([first.told, second.told]).toEqual([[EXIT], []]);
});

test('an end that was told before anybody knew of the process is kept, until another process has its pid', async () => {
  const children = new Children();
  children.reaped(5, EXIT);
  expect(await children.exitOf(5)).toEqual(EXIT);
  const { told, listener } = collector();
  children.claim(5, claimed(listener));
  expect([told, await children.exitOf(5)]).toEqual([[], KILLED]);
});

test('an end that is told after it was asked for is told to all who asked, and to whoever has that pid', async () => {
  const children = new Children();
  const { told, listener } = collector();
  children.claim(5, claimed(listener));
  const asked = Promise.all([children.exitOf(5), children.exitOf(5)]);
  children.reaped(5, EXIT);
  expect([await asked, told]).toEqual([[EXIT, EXIT], [EXIT]]);
});

test('what nobody asks for is forgotten, oldest first', async () => {
  const children = new Children();
  for (let pid = 1; pid <= 300; pid++) children.reaped(pid, EXIT);
  expect([await children.exitOf(1), await children.exitOf(300)]).toEqual([KILLED, EXIT]);
});

test('with PID 1 all are killed, also what is claimed or asked for later', async () => {
  const children = new Children();
  const [before, after] = [collector(), collector()];
  children.claim(5, claimed(before.listener));
  const asked = children.exitOf(7);
  children.end();
  children.claim(6, claimed(after.listener));
  expect([await asked, await children.exitOf(8)]).toEqual([KILLED, KILLED]);
  expect([before.told, after.told]).toEqual([[KILLED], [KILLED]]);
});

test('what a dead root zygote leaves is told of to whoever had it, and whoever has claimed it besides', () => {
  const children = new Children(() => false);
  const [own, foreign, other] = [collector(), collector(), collector()];
  children.claim(5, claimed(foreign.listener));
  children.claim(6, claimed(other.listener));
  children.adopt([{ pid: 5, ...claimed(own.listener) }]);
  children.reaped(5, EXIT);
  children.reaped(6, KILLED);
  expect([own.told, foreign.told, other.told]).toEqual([[EXIT], [EXIT], [KILLED]]);
});

test('what it had reaped and not told of counts as killed, where nobody tells more', async () => {
  const LIVES = 1;
  const children = new Children((pidfd) => pidfd !== LIVES);
  const [reaped, told, unknown, living] = [collector(), collector(), collector(), collector()];
  children.claim(4, claimed(reaped.listener));
  children.adopt([
    { pid: 5, ...claimed(told.listener) },
    { pid: 6, pidfd: null, listener: unknown.listener },
    { pid: 7, ...claimed(living.listener, LIVES) },
  ]);
  children.reaped(5, EXIT);
  await vi.waitFor(() => expect([reaped.told, unknown.told]).toEqual([[KILLED], [KILLED]]), {
    timeout: 30_000,
  });
  expect([told.told, living.told]).toEqual([[EXIT], []]);
});
