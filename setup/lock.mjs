/**
 * One set-up at a time in a checkout. The lock is a directory that holds one file, named after its owner. It is
 * taken by renaming a directory that has the file already onto it, which the kernel refuses unless the lock is missing
 * or empty. A dead owner's file is removed by its own name, so nobody can remove a live owner's by mistake.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityOf, isAlive } from './process.mjs';
import { step } from './progress.mjs';
import { SETUP_CACHE } from './where.mjs';

const POLL_MS = 100;

/** Runs `work` while no other set-up of this checkout runs; waits for one that does. */
export async function withLock(work, dir = SETUP_CACHE) {
  mkdirSync(dir, { recursive: true });
  const lock = join(dir, 'lock');
  const own = identityOf(process.pid);
  if (!tryTake(dir, lock, own)) {
    await step(
      `Wait for another set-up of this checkout (pid ${owners(lock)[0]?.split('-')[0]})`,
      async () => {
        while (!tryTake(dir, lock, own)) await sleep(POLL_MS);
      },
    );
  }
  try {
    return await work();
  } finally {
    rmSync(join(lock, own));
  }
}

function tryTake(dir, lock, own) {
  for (const owner of owners(lock)) {
    if (isAlive(owner)) return false;
    rmSync(join(lock, owner), { force: true });
  }
  const mine = join(dir, `taking-${own}`);
  mkdirSync(mine, { recursive: true });
  writeFileSync(join(mine, own), '');
  try {
    renameSync(mine, lock);
    return true;
  } catch (error) {
    rmSync(mine, { recursive: true });
    if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return false;
    throw error;
  }
}

function owners(lock) {
  try {
    return readdirSync(lock);
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}
