import { expect, test } from 'vitest';
import { Linking } from '../../../../src/sandbox/sock/linking.ts';

function setUp() {
  const sent: string[] = [];
  const told: [number, string | null][] = [];
  const linking = new Linking((message, fds) => sent.push(`${message} with ${fds}`));
  const ask = (id: number) =>
    linking.ask({ id, pid: 100 + id, pidfd: 200 + id, linked: (failure) => told.push([id, failure]) });
  return { linking, sent, told, ask };
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
