import { check, errnoName, libc } from './libc.ts';

const SCHED_OTHER = 0;

/** struct sched_param: the static priority, which is 0 for ordinary scheduling. */
const PRIORITY = Buffer.alloc(4);

const schedSetschedulerC = libc('int sched_setscheduler(int, int, void *)');

/** Gives a process its ordinary share of the CPU; returns false where it is gone. */
export function scheduleNormally(pid: number): boolean {
  const result = schedSetschedulerC(pid, SCHED_OTHER, PRIORITY);
  if (result < 0 && errnoName() === 'ESRCH') return false;
  check(result, 'sched_setscheduler', `pid ${pid}`);
  return true;
}
