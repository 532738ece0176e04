import { expect, test } from 'vitest';
import { Linking } from '../../../../src/sandbox/sock/linking.ts';

function setUp() {
  const sent: string[] = [];
  const told: [number, string | null][] = [];
  const killed: number[] = [];
  const linking = new Linking(
    (message, fds) => sent.push(`${message} with ${fds}`),
    (pidfd) => void killed.push(pidfd),
  );
  const ask = (id: number) =>
    linking.ask({ id, pid: 100 + id, pidfd: 200 + id, linked: (failure) => told.push([id, failure]) });
  return { linking, sent, told, killed, ask };
}

test('a link is asked for with its process, and told of once', () => {
  const { linking, sent, told, ask } = setUp();
  ask(7);
  expect(sent).toEqual(['link none 0 7 107 with 207']);
  expect([linking.settle(7, null), linking.settle(7, null)]).toEqual([true, false]);
  expect(told).toEqual([[7, null]]);
});

test('a failure is told to whoever asked, and to nobody else', () => {
  const { linking, told, ask } = setUp();
  ask(1);
  ask(2);
  expect(linking.settle(2, 'network: no')).toBe(true);
  expect(linking.settle(3, 'network: no')).toBe(false);
  expect(told).toEqual([[2, 'network: no']]);
});

test('no more are under way than the socket holds, and the rest follow; who has ended is left out', () => {
  const { linking, sent, told, ask } = setUp();
  for (let id = 0; id < 70; id++) ask(id);
  expect(sent).toHaveLength(64);
  linking.forget(64);
  for (let id = 0; id < 70; id++) linking.settle(id, null);
  expect(sent).toHaveLength(69);
  expect(told).toHaveLength(69);
});

test('with the root zygote nobody gets a link any more, and who waits for one is killed', () => {
  const { linking, sent, told, killed, ask } = setUp();
  for (let id = 0; id < 70; id++) ask(id);
  linking.settle(3, null);
  linking.end();
  ask(70);
  linking.settle(4, null);
  expect(killed).toEqual(Array.from({ length: 71 }, (_, id) => 200 + id).filter((pidfd) => pidfd !== 203));
  expect([sent.length, told]).toEqual([65, [[3, null]]]);
});
