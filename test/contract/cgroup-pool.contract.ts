import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CgroupDriver } from '../../src/cgroup/cgroup.ts';
import { CgroupPool } from '../../src/cgroup/pool.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { until } from '../helpers/poll.ts';
import type { MakeDriver } from './cgroup.contract.ts';
import { CgroupChild } from './cgroup-child.ts';

const LIMITS = { memoryMb: 64, pids: 5, cpuPercent: 0 };
const SIZE = 3;

/** What the pool has to do with each driver. */
export function describeCgroupPoolContract(name: string, make: MakeDriver | string): void {
  describe(`the pool of ${name} cgroups`, () => {
    if (typeof make === 'string') {
      test('keeps its contract', ({ skip }) => skip(make));
      return;
    }
    let driver: CgroupDriver;
    let pool: CgroupPool;
    beforeEach(() => {
      driver = make(`test-${process.pid}`);
      pool = new CgroupPool({ driver, size: SIZE, limits: LIMITS, log: silentLog() });
    });
    afterEach(async () => {
      await pool.close();
      await driver.close();
      expect(driver.dirs.filter(existsSync)).toEqual([]);
    });

    /** The cgroups that are there, by the directories of the first hierarchy. */
    const present = () => {
      const entries = readdirSync(driver.dirs[0] ?? '', { withFileTypes: true });
      return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    };
    const untilPresent = (count: number) => until(`${count} cgroups`, () => present().length === count);

    test('as many as it is large are made in the background, and no more', async () => {
      expect(present()).toEqual([]);
      await untilPresent(SIZE);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(present()).toHaveLength(SIZE);
    });

    test('a taken one has the limits', async () => {
      const cgroup = pool.take();
      await using child = await CgroupChild.start(cgroup, 'fork', 100);
      expect(await child.next()).toEqual({ forked: 4 });
      cgroup.killAll();
      await child.ended;
    });

    test('new ones are made when fewer than half are ready, up to half', async () => {
      await untilPresent(SIZE);
      pool.take();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(present()).toHaveLength(SIZE);
      pool.take();
      await untilPresent(SIZE + 1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(present()).toHaveLength(SIZE + 1);
    });

    test('an empty pool makes one on the spot', () => {
      const taken = Array.from({ length: SIZE + 2 }, () => pool.take());
      expect(new Set(taken.map((cgroup) => cgroup.name)).size).toBe(SIZE + 2);
    });

    test('one that is given back is used again, like new', async () => {
      await untilPresent(SIZE);
      const cgroup = pool.take();
      await using bomb = await CgroupChild.start(cgroup, 'eat', 100);
      await bomb.ended;
      cgroup.setLimits({ ...LIMITS, pids: 50 });
      await until('empty cgroup', () => cgroup.isEmpty());
      pool.giveBack(cgroup);
      await until('the place of a reset cgroup', () => cgroup.hits().oomKills === 0);
      const taken = Array.from({ length: SIZE }, () => pool.take());
      expect(taken).toContain(cgroup);
      await using child = await CgroupChild.start(cgroup, 'fork', 100);
      expect(await child.next()).toEqual({ forked: 4 });
      expect(cgroup.hits()).toEqual({ oomKills: 0, memoryRefused: 0, pidsRefused: 1 });
    });

    test('refused forks are counted anew in one that is used again', async () => {
      await untilPresent(SIZE);
      const cgroup = pool.take();
      for (let use = 0; use < 2; use++) {
        await using forker = await CgroupChild.start(cgroup, 'fork', 100);
        await forker.next();
        expect(cgroup.forksRefused()).toBe(1);
        cgroup.killAll();
        await forker.ended;
        await until('empty cgroup', () => cgroup.isEmpty());
        await cgroup.reset();
        expect(cgroup.forksRefused()).toBe(0);
      }
      pool.giveBack(cgroup);
    });

    test('what is given back to a full pool goes', async () => {
      await untilPresent(SIZE);
      const [one, other] = [pool.take(), pool.take()];
      await untilPresent(SIZE + 1);
      pool.giveBack(one);
      pool.giveBack(other);
      await untilPresent(SIZE);
      // The first one fills the pool.
      expect([present().includes(one.name), present().includes(other.name)]).toEqual([true, false]);
    });

    test('one that is given back with a process in it goes, and the process too', async () => {
      const cgroup = pool.take();
      await using child = await CgroupChild.start(cgroup, 'idle');
      await cgroup.pause();
      pool.giveBack(cgroup);
      expect(await child.ended).toBe('SIGKILL');
      await until('end of it', () => !present().includes(cgroup.name));
    });

    test('one that cannot be made in the background does not stop the pool', async () => {
      const [dir = ''] = driver.dirs;
      mkdirSync(join(dir, '2'));
      await untilPresent(2);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect([pool.take().name, pool.take().name]).toEqual(['1', '3']);
    });

    test('closing destroys what is ready and waits for what was given back', async () => {
      await untilPresent(SIZE);
      pool.giveBack(pool.take());
      await pool.close();
      expect(present()).toEqual([]);
    });
  });
}
