import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SETUP_CACHE } from './where.mjs';

/**
 * Does `work` with a new directory, which is gone afterwards; `prefix` begins its name, and those that killed runs left go
 * first. Only while the lock is held.
 */
export async function withStage(prefix, work) {
  for (const left of readdirSync(SETUP_CACHE).filter((name) => name.startsWith(prefix)))
    rmSync(join(SETUP_CACHE, left), { recursive: true });
  const stage = mkdtempSync(join(SETUP_CACHE, prefix));
  try {
    return await work(stage);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}
