/** Chooses the driver from where this process is, makes a cgroup with limits, and tells where all of it is. */
import { readFileSync } from 'node:fs';
import { chooseDriver } from '../../src/cgroup/choose.ts';
import { silentLog } from '../../src/telemetry/log.ts';

const driver = chooseDriver({ workerName: 'delegated', log: silentLog() });
const cgroup = driver.create('one');
cgroup.setLimits({ memoryMb: 64, pids: 8, cpuPercent: 50 });
const second = chooseDriver({ workerName: 'second', log: silentLog() });
const found = {
  dirs: [...driver.dirs, ...second.dirs],
  own: readFileSync('/proc/self/cgroup', 'utf8').trim(),
};
await driver.close();
await second.close();
console.log(JSON.stringify(found));
