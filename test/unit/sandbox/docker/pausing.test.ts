import { expect, test } from 'vitest';
import { Pausing } from '../../../../src/sandbox/docker/pausing.ts';

/** Notes each step, and takes until it is told. */
function recorder() {
  const steps: string[] = [];
  const waiting: (() => void)[] = [];
  const step = (name: string) => () => {
    steps.push(name);
    return new Promise<void>((resolve) => waiting.push(resolve));
  };
  const next = async () => {
    waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { steps, next, it: { pause: step('pause'), unpause: step('unpause') } };
}

test('pausing what is paused does nothing', async () => {
  const { steps, next, it } = recorder();
  const pausing = new Pausing(it);
  const both = [pausing.set(true), pausing.set(true)];
  await next();
  await Promise.all(both);
  await pausing.set(true);
  expect(steps).toEqual(['pause']);
});

test('an unpause that comes while a pause is under way follows it', async () => {
  const { steps, next, it } = recorder();
  const pausing = new Pausing(it);
  const paused = pausing.set(true);
  const unpaused = pausing.set(false);
  expect(pausing.isWanted).toBe(false);
  expect(steps).toEqual(['pause']);
  await next();
  expect(steps).toEqual(['pause', 'unpause']);
  await next();
  await Promise.all([paused, unpaused]);
});

test('what nobody wants any more is left out', async () => {
  const { steps, next, it } = recorder();
  const pausing = new Pausing(it);
  const all = [pausing.set(true), pausing.set(false), pausing.set(true)];
  await next();
  await Promise.all(all);
  expect(steps).toEqual(['pause']);
});

test('a step that fails is told, and may be tried again', async () => {
  let fails = true;
  const it = {
    pause: async () => {
      if (fails) throw new Error('on purpose');
    },
    unpause: async () => {},
  };
  const pausing = new Pausing(it);
  await expect(pausing.set(true)).rejects.toThrow('on purpose');
  fails = false;
  await pausing.set(true);
});
