import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cgroup, CgroupDriver, CgroupLimits } from '../../src/cgroup/cgroup.ts';
import { removeGroups } from '../../src/cgroup/remove.ts';
import { until } from '../helpers/poll.ts';
import { CgroupChild } from './cgroup-child.ts';

/** Makes a driver; called twice with the same name, the second one finds what the first has left. */
export type MakeDriver = (workerName: string) => CgroupDriver;

const WORKER = `test-${process.pid}`;
const ROOMY: CgroupLimits = { memoryMb: 256, pids: 32, cpuPercent: 0 };
/** Long enough for a busy loop to be seen, or to be seen standing still. */
const A_WHILE_MS = 100;

/** Long enough for a process to answer, many times over. */
const A_MOMENT_MS = 10;
const ROUNDS = 100;

const aMoment = () => new Promise((resolve) => setTimeout(resolve, A_MOMENT_MS));
const aWhile = () => new Promise((resolve) => setTimeout(resolve, A_WHILE_MS));

/** What every cgroup driver has to do. `make` may be the reason why this machine cannot run it. */
export function describeCgroupContract(name: string, make: MakeDriver | string): void {
  describe(`the ${name} cgroup driver`, () => {
    if (typeof make === 'string') {
      test('keeps its contract', ({ skip }) => skip(make));
      return;
    }
    let driver: CgroupDriver;
    let scratch: string;
    beforeEach(async () => {
      scratch = await mkdtemp(join(tmpdir(), 'ol-cgroup-'));
      driver = make(WORKER);
    });
    afterEach(async () => {
      await driver.close();
      expect(driver.dirs.filter(existsSync)).toEqual([]);
      await rm(scratch, { recursive: true });
    });

    function create(limits: Partial<CgroupLimits> = {}): Cgroup {
      const cgroup = driver.create('one');
      cgroup.setLimits({ ...ROOMY, ...limits });
      return cgroup;
    }

    /** A busy loop, and how far it has come. */
    async function startCounting(cgroup: Cgroup) {
      const path = join(scratch, 'counter');
      await writeFile(path, Buffer.alloc(8));
      const child = await CgroupChild.start(cgroup, 'count', path);
      const read = async () => (await readFile(path)).readBigUInt64LE();
      const moves = async () => {
        const before = await read();
        await until('progress', async () => (await read()) > before);
      };
      const standsStill = async () => {
        const before = await read();
        await aWhile();
        expect(await read()).toBe(before);
      };
      await moves();
      return { child, moves, standsStill };
    }

    const untilEmpty = (cgroup: Cgroup) => until('empty cgroup', () => cgroup.isEmpty());
    const dirsOf = (cgroup: Cgroup) => driver.dirs.map((dir) => join(dir, cgroup.name));

    test('says why it was chosen', () => {
      expect(driver.why).toContain(driver.kind);
      expect(driver.dirs.every(existsSync)).toBe(true);
    });

    test('a new cgroup is empty, uses nothing and has hit nothing', () => {
      const cgroup = create();
      expect(cgroup.isEmpty()).toBe(true);
      expect(cgroup.memoryKb()).toBe(0);
      expect(cgroup.hits()).toEqual({ oomKills: 0, memoryRefused: 0, pidsRefused: 0 });
    });

    test('two cgroups cannot have the same name', () => {
      create();
      expect(() => driver.create('one')).toThrow(expect.objectContaining({ code: 'ERR_CGROUP' }));
    });

    test('a process that got in is counted, with its memory', async () => {
      const cgroup = create();
      await using child = await CgroupChild.start(cgroup, 'eat', 20);
      await child.next();
      expect(cgroup.isEmpty()).toBe(false);
      expect(cgroup.memoryKb()).toBeGreaterThan(20 * 1024);
    });

    test('memory beyond the limit ends the process, and is counted', async () => {
      const cgroup = create({ memoryMb: 30 });
      await using child = await CgroupChild.start(cgroup, 'eat', 100);
      expect(await child.ended).toBe('SIGKILL');
      expect(cgroup.hits().oomKills).toBeGreaterThan(0);
      expect(cgroup.hits().memoryRefused).toBeGreaterThan(0);
    });

    test('all cgroups together have a bound; what is ended for it has not hit its own', async () => {
      driver.whole.setMemoryMb(60);
      const [small, large] = [create(), driver.create('two')];
      large.setLimits(ROOMY);
      await using keeper = await CgroupChild.start(small, 'eat', 10);
      expect(await keeper.next()).toEqual({ ate: 10 });
      await using eater = await CgroupChild.start(large, 'eat', 100);
      expect(await eater.ended).toBe('SIGKILL');
      expect(large.hits().oomKills).toBeGreaterThan(0);
      expect(large.hits().memoryRefused).toBe(0);
      expect(small.hits()).toMatchObject({ oomKills: 0, memoryRefused: 0 });
      driver.whole.setMemoryMb(0);
      await using free = await CgroupChild.start(large, 'eat', 100);
      expect(await free.next()).toEqual({ ate: 100 });
    });

    test('what all use together is counted, with the files that can be given back', async () => {
      const [first, second] = [create(), driver.create('two')];
      await using eater = await CgroupChild.start(first, 'eat', 20);
      await using writer = await CgroupChild.start(second, 'write', join(scratch, 'large'));
      await Promise.all([eater.next(), writer.next()]);
      const used = driver.whole.memoryKb();
      expect(used).toBeGreaterThan(20 * 1024);
      expect(used).toBeGreaterThanOrEqual(first.memoryKb());
      const files = driver.whole.reclaimableKb();
      expect(files).toBeGreaterThan(5 * 1024);
      expect(files).toBeLessThan(used);
    });

    test('the CPU time of all together is counted where a v2 tree is used, with that of what is gone', async () => {
      const busy = await CgroupChild.start(create(), 'burn', A_WHILE_MS / 1000);
      await busy.next();
      await busy[Symbol.asyncDispose]();
      const { cpuTime } = driver.whole;
      if (driver.why.includes("v1's freezer")) expect(cpuTime).toBe(null);
      else expect(cpuTime?.us()).toBeGreaterThan((A_WHILE_MS * 1000) / 10);
    });

    test('processes beyond the limit are refused, and counted', async () => {
      const cgroup = create({ pids: 5 });
      await using child = await CgroupChild.start(cgroup, 'fork', 100);
      expect(await child.next()).toEqual({ forked: 4 });
      expect(cgroup.hits()).toEqual({ oomKills: 0, memoryRefused: 0, pidsRefused: 1 });
      expect(cgroup.forksRefused()).toBe(1);
    });

    test('a busy loop gets no more than its share of a core', async () => {
      const cgroup = create({ cpuPercent: 20 });
      await using child = await CgroupChild.start(cgroup, 'burn', 1);
      const { share } = await child.next();
      expect(share).toBeLessThan(0.4);
    });

    test('a limit can be changed while a process is in there', async () => {
      const cgroup = create({ memoryMb: 30 });
      cgroup.setLimits({ ...ROOMY, pids: 3 });
      await using eater = await CgroupChild.start(cgroup, 'eat', 100);
      expect(await eater.next()).toEqual({ ate: 100 });
      await using forker = await CgroupChild.start(cgroup, 'fork', 100);
      expect(await forker.next()).toEqual({ forked: 1 });
    });

    test('limits of 0 are none', async () => {
      const cgroup = create({ memoryMb: 30, pids: 2, cpuPercent: 10 });
      cgroup.setLimits({ memoryMb: 0, pids: 0, cpuPercent: 0 });
      await using eater = await CgroupChild.start(cgroup, 'eat', 100);
      expect(await eater.next()).toEqual({ ate: 100 });
      await using forker = await CgroupChild.start(cgroup, 'fork', 10);
      expect(await forker.next()).toEqual({ forked: 10 });
    });

    test('a pause stops a busy loop, and it goes on where it was', async () => {
      const cgroup = create();
      const { child, moves, standsStill } = await startCounting(cgroup);
      await using _ = child;
      await cgroup.pause();
      await standsStill();
      cgroup.unpause();
      await moves();
    });

    test('what sleeps runs nothing any more from the order to pause on', async () => {
      const cgroup = create();
      await using child = await CgroupChild.start(cgroup, 'echo');
      for (let round = 1; round <= ROUNDS; round++) {
        let hasRun = false;
        const told = child.next().finally(() => {
          hasRun = true;
        });
        const pausing = cgroup.pause();
        child.send();
        await pausing;
        await aMoment();
        expect(hasRun).toBe(false);
        cgroup.unpause();
        expect(await told).toEqual({ echoed: round });
      }
    });

    test('pausing what is paused does nothing, and one unpause is enough', async () => {
      const cgroup = create();
      const { child, moves, standsStill } = await startCounting(cgroup);
      await using _ = child;
      await Promise.all([cgroup.pause(), cgroup.pause()]);
      await cgroup.pause();
      await standsStill();
      cgroup.unpause();
      cgroup.unpause();
      await moves();
    });

    test('an unpause right after a pause wins, and the pause is over', async () => {
      const cgroup = create();
      const { child, moves } = await startCounting(cgroup);
      await using _ = child;
      const pausing = cgroup.pause();
      cgroup.unpause();
      await pausing;
      await moves();
    });

    test('a throttled busy loop can be paused', async () => {
      const cgroup = create({ cpuPercent: 5 });
      const { child, standsStill } = await startCounting(cgroup);
      await using _ = child;
      await cgroup.pause();
      await standsStill();
      cgroup.unpause();
    });

    test('an empty cgroup can be paused', async () => {
      const cgroup = create();
      await cgroup.pause();
      cgroup.unpause();
    });

    test('killing ends every process in it', async () => {
      const cgroup = create();
      await using child = await CgroupChild.start(cgroup, 'fork', 10);
      await child.next();
      cgroup.killAll();
      await untilEmpty(cgroup);
      expect(await child.ended).toBe('SIGKILL');
    });

    test('killing ends what is paused, without letting it run', async () => {
      const cgroup = create();
      const { child, standsStill } = await startCounting(cgroup);
      await using _ = child;
      await cgroup.pause();
      cgroup.killAll();
      await standsStill();
      await untilEmpty(cgroup);
    });

    test('killing what is about to be paused ends it too', async () => {
      const cgroup = create();
      const { child } = await startCounting(cgroup);
      await using _ = child;
      const pausing = cgroup.pause();
      cgroup.killAll();
      await untilEmpty(cgroup);
      await pausing;
    });

    test('killing does not count as refusing processes', async () => {
      const cgroup = create();
      await using child = await CgroupChild.start(cgroup, 'fork', 10);
      await child.next();
      cgroup.killAll();
      await untilEmpty(cgroup);
      expect(cgroup.hits()).toEqual({ oomKills: 0, memoryRefused: 0, pidsRefused: 0 });
    });

    test('a cgroup that was reset has the same limits, runs, and has hit nothing', async () => {
      const cgroup = create({ memoryMb: 30, pids: 5 });
      await using bomb = await CgroupChild.start(cgroup, 'eat', 100);
      await bomb.ended;
      await cgroup.pause();
      cgroup.killAll();
      await untilEmpty(cgroup);
      await cgroup.reset();
      expect(cgroup.hits()).toEqual({ oomKills: 0, memoryRefused: 0, pidsRefused: 0 });
      await using child = await CgroupChild.start(cgroup, 'fork', 100);
      expect(await child.next()).toEqual({ forked: 4 });
    });

    test('a cgroup that was reset has given back what its processes had written to files', async () => {
      const cgroup = create();
      const path = join(scratch, 'large');
      await using child = await CgroupChild.start(cgroup, 'write', path);
      await child.next();
      cgroup.killAll();
      await untilEmpty(cgroup);
      await cgroup.reset();
      expect(cgroup.memoryKb()).toBeLessThan(5 * 1024);
    });

    test('a cgroup with processes in it cannot be reset', async () => {
      const cgroup = create();
      await using _ = await CgroupChild.start(cgroup, 'idle');
      await expect(cgroup.reset()).rejects.toMatchObject({ code: 'ERR_CGROUP' });
    });

    test('destroying ends what is in it, paused or not, and leaves nothing', async () => {
      const cgroup = create();
      await using child = await CgroupChild.start(cgroup, 'fork', 10);
      await child.next();
      void cgroup.pause();
      await cgroup.destroy();
      await cgroup.destroy();
      expect(await child.ended).toBe('SIGKILL');
      expect(dirsOf(cgroup).filter(existsSync)).toEqual([]);
    });

    test('the name of a destroyed cgroup can be used again', async () => {
      await create().destroy();
      await create().destroy();
    });

    test('a destroyed cgroup refuses to be used', async () => {
      const cgroup = create();
      await cgroup.destroy();
      expect(() => cgroup.memoryKb()).toThrow(expect.objectContaining({ code: 'ERR_CGROUP' }));
      expect(() => cgroup.pause()).toThrow(expect.objectContaining({ code: 'ERR_CGROUP' }));
    });

    test('what a killed worker has left is ended and removed by the next one', async () => {
      const left = create();
      await using child = await CgroupChild.start(left, 'fork', 10);
      await child.next();
      await left.pause();
      const next = make(WORKER);
      await next.removeLeftovers();
      expect(await child.ended).toBe('SIGKILL');
      expect(dirsOf(left).filter(existsSync)).toEqual([]);
      expect(next.dirs.every(existsSync)).toBe(true);
    });

    test('the groups of a killed worker can be removed by their directories alone', async () => {
      const left = create();
      const { child } = await startCounting(left);
      await using _ = child;
      await removeGroups(driver.dirs);
      expect(await child.ended).toBe('SIGKILL');
      expect(driver.dirs.filter(existsSync)).toEqual([]);
      await removeGroups(driver.dirs);
    });
  });
}
