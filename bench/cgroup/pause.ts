import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cgroup, CgroupDriver } from '../../src/cgroup/cgroup.ts';
import { chooseDriver } from '../../src/cgroup/choose.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { WaitingPython } from '../floors/waiting-python.ts';
import type { Bench } from '../measure/bench.ts';
import { summarize } from '../measure/stats.ts';

export const pause: Bench = {
  name: 'pause',
  about: 'Pausing a cgroup with one Python process in it, and unpausing it.',
  async run({ samples }) {
    await using held = new AsyncDisposableStack();
    const driver = chooseDriver({ workerName: `bench-${process.pid}`, log: silentLog() });
    held.defer(() => driver.close());
    const cgroup = driver.create('pause');
    const python = held.use(await WaitingPython.start());
    // Not even SIGKILL ends what v1's freezer has paused.
    held.defer(() => cgroup.unpause());
    for (const dir of driver.dirs)
      await writeFile(join(dir, cgroup.name, 'cgroup.procs'), String(python.pid));
    const times = await measure(cgroup, python, samples);
    const by = `${driver.kind}, by \`${freezerOf(driver)}\``;
    return {
      rows: [
        { what: 'floor: a byte to the process and back, not paused', ...summarize(times.echo) },
        { what: `pause (${by}), until it has stopped`, ...summarize(times.pause) },
        { what: `unpause (${by}), the order alone`, ...summarize(times.unpause) },
        { what: 'unpause, and a byte to the process and back', ...summarize(times.answer) },
      ],
      notes: [`The driver is ${driver.kind}: ${driver.why}.`],
    };
  },
};

function freezerOf(driver: CgroupDriver): string {
  const isCoreFile = driver.dirs.some((dir) => existsSync(join(dir, 'cgroup.freeze')));
  return isCoreFile ? 'cgroup.freeze' : 'freezer.state';
}

async function measure(cgroup: Cgroup, python: WaitingPython, rounds: number) {
  const times = {
    echo: [] as number[],
    pause: [] as number[],
    unpause: [] as number[],
    answer: [] as number[],
  };
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await python.echo();
    const running = performance.now();
    await cgroup.pause();
    const paused = performance.now();
    cgroup.unpause();
    const unpaused = performance.now();
    await python.echo();
    times.echo.push(running - start);
    times.pause.push(paused - running);
    times.unpause.push(unpaused - paused);
    times.answer.push(performance.now() - paused);
  }
  return times;
}
