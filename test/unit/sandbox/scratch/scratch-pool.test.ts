import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ScratchBound } from '../../../../src/sandbox/scratch/scratch-bound.ts';
import { ScratchPool } from '../../../../src/sandbox/scratch/scratch-pool.ts';
import { silentLog } from '../../../../src/telemetry/log.ts';
import { makeTestDir, removeEmptyRoot } from '../../../helpers/test-root.ts';

const FIRST_UID = 1_500_000_000;
const KEPT = 2;
let root: string;
let pool: ScratchPool;
/** Those that are in use. */
let uids: Set<number>;

beforeEach(async () => {
  root = await makeTestDir();
  uids = new Set();
  let next = FIRST_UID;
  const take = () => {
    uids.add(next);
    return next++;
  };
  const log = silentLog();
  const bound = new ScratchBound({
    dir: root,
    maxMb: 1,
    maxFiles: 10,
    uidBase: FIRST_UID,
    uidCount: 100,
    log,
  });
  const giveBack = (uid: number) => void uids.delete(uid);
  pool = new ScratchPool({ sparesDir: root, uids: { take, giveBack }, bound, keep: KEPT, log });
});
afterEach(async () => {
  await pool.close();
  rmSync(root, { recursive: true });
  await removeEmptyRoot();
});

test('of those that come back, no more are kept than it is told to keep, each with its uid', async () => {
  const dirs = Array.from({ length: 5 }, () => pool.take());
  for (const dir of dirs) await pool.giveBack(dir);
  expect(readdirSync(root)).toHaveLength(KEPT);
  expect([...uids].map(String).sort()).toEqual(readdirSync(root).sort());
  const again = Array.from({ length: 2 }, () => pool.take());
  expect(dirs).toEqual(expect.arrayContaining(again));
});

test('one that a sandbox has left something in is removed, and another one made for the next', async () => {
  const dir = pool.take();
  writeFileSync(join(dir.path, 'left'), '');
  await pool.giveBack(dir);
  expect([readdirSync(root), [...uids]]).toEqual([[], []]);
  expect(pool.take().uid).not.toBe(dir.uid);
});

test('once it is closed nothing is left, of what was free and of what comes back', async () => {
  const [one, other] = [pool.take(), pool.take()];
  await pool.giveBack(one);
  await pool.close();
  await pool.giveBack(other);
  expect([readdirSync(root), [...uids]]).toEqual([[], []]);
});
