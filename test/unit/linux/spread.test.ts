import { mkdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { spreadDirectoriesIn } from '../../../src/linux/spread.ts';

const EXT4 = 0xef53;
const MANY = 32;

async function temporaryIn(parent: string): Promise<string> {
  const dir = await mkdtemp(join(parent, 'ol-spread-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

/** How far the inodes of new directories are from each other on average. */
function distance(dir: string): number {
  const inodes = Array.from({ length: MANY }, (_, index) => {
    mkdirSync(join(dir, String(index)));
    return statSync(join(dir, String(index))).ino;
  });
  const steps = inodes.slice(1).map((inode, index) => Math.abs(inode - (inodes[index] ?? 0)));
  return steps.reduce((sum, step) => sum + step, 0) / steps.length;
}

test('directories in one that is spread are far from each other on ext4', async (context) => {
  const dir = await temporaryIn(tmpdir());
  if (statfsSync(dir).type !== EXT4) return context.skip('the temporary directory is not on an ext4');
  const spread = join(dir, 'spread');
  mkdirSync(spread);
  spreadDirectoriesIn(spread);
  spreadDirectoriesIn(spread); // as at every start of a worker
  expect(distance(spread)).toBeGreaterThan(10 * distance(dir));
});

test('a file system that can do nothing of the kind is left as it is', async () => {
  spreadDirectoriesIn(await temporaryIn('/dev/shm'));
  spreadDirectoriesIn('/proc/self');
});

test('one that is not there is told of', () => {
  expect(() => spreadDirectoriesIn('/nowhere')).toThrow(/ENOENT/);
});
