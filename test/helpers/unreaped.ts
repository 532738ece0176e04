import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { until } from './poll.ts';

/** A process that sleeps, and whose parent reaps nobody: when it is killed it is a zombie until the parent has ended. */
export async function startUnreaped(): Promise<{ readonly pid: number; readonly parent: ChildProcess }> {
  // The second program does not reap what the first one has started. So nothing may end before it runs.
  const parent = spawn('/bin/sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000']);
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  await until('the second program', () => readFileSync(`/proc/${parent.pid}/comm`, 'utf8') === 'sleep\n');
  return { pid: Number(line.toString()), parent };
}
