import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { withDirLock } from '../../../src/linux/dir-lock.ts';
import { useTempDir } from '../cluster/temp-dir.ts';

const temp = useTempDir();

test('two holders of a lock follow one another', async () => {
  const log: string[] = [];
  const work = (name: string) => async () => {
    log.push(`${name} in`);
    await sleep(30);
    log.push(`${name} out`);
  };
  await Promise.all([withDirLock(temp.dir, 10_000, work('a')), withDirLock(temp.dir, 10_000, work('b'))]);
  expect(log.map((line) => line.split(' ')[1])).toEqual(['in', 'out', 'in', 'out']);
});

test('a lock that is held too long is an error, and a failed holder gives it back', async () => {
  const held = withDirLock(temp.dir, 0, async () => {
    await expect(withDirLock(temp.dir, 40, async () => {})).rejects.toMatchObject({ code: 'ERR_LOCKED' });
    throw new Error('failed');
  });
  await expect(held).rejects.toThrow('failed');
  expect(await withDirLock(temp.dir, 0, async () => 'free')).toBe('free');
});
