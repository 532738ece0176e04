import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { inTime } from '../../src/in-time.ts';

const never = new Promise<never>(() => {});
const fail = () => {
  throw new Error('late');
};

test('what comes in time is the answer', async () => {
  expect(await inTime(Promise.resolve(3), 10_000, fail)).toBe(3);
});

test('what fails in time fails', async () => {
  await expect(inTime(Promise.reject(new Error('broken')), 10_000, fail)).rejects.toThrow('broken');
});

test('where nothing comes, the answer is what is said of it', async () => {
  expect(await inTime(never, 1, () => null)).toBeNull();
  await expect(inTime(never, 1, fail)).rejects.toThrow('late');
});

test('what fails later is nobody’s unhandled rejection', async () => {
  const failing = sleep(20).then(() => Promise.reject(new Error('too late')));
  expect(await inTime(failing, 1, () => 'gave up')).toBe('gave up');
  // An unhandled rejection would end this process's run.
  await sleep(40);
});
