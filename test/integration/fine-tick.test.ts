import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { FineTick } from '../../src/sandbox/cores/fine-tick.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { childrenOf, readProcess } from '../helpers/processes.ts';
import { python } from '../helpers/python.ts';
import { type LogLine, TestWorker } from '../helpers/worker.ts';

leavesNothing();

const CORES = availableParallelism();
const SCHED_FIFO = 1;
/** Of /proc/<pid>/stat, after the name. */
const POLICY_FIELD = 38;

const BUSY = python`
  import time
  def handler(event):
      end = time.monotonic() + event
      while time.monotonic() < end: pass
`;

const isTick = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('/fine_tick.py');

async function tickOf(worker: TestWorker): Promise<number> {
  const pid = childrenOf(process.pid).find(isTick);
  if (pid === undefined) throw new Error('there is none');
  await until('a thread for each core', () => readdirSync(`/proc/${pid}/task`).length === CORES + 1);
  expect(worker.log.filter(({ msg }) => String(msg).startsWith('no fine tick'))).toEqual([]);
  return pid;
}

/** How often the threads of a process have waited for something. */
function waits(pid: number): number {
  const counts = readdirSync(`/proc/${pid}/task`).map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1');
    return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1]);
  });
  return counts.reduce((sum, one) => sum + one, 0);
}

function policyOf(pid: number, thread: string): number {
  const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[POLICY_FIELD]);
}

test('ticks on each core while sandboxes take all of them, and at no other time', async () => {
  await using worker = await TestWorker.start({ cpu_percent: 0 });
  await worker.cluster.writeFunction('busy', BUSY);
  const tick = await tickOf(worker);
  for (const thread of readdirSync(`/proc/${tick}/task`)) expect(policyOf(tick, thread)).toBe(SCHED_FIFO);
  const before = waits(tick);
  await Promise.all(Array.from({ length: CORES }, () => worker.result('busy', 1)));
  // At 2000 a second on each core; a machine with other work may give the sandboxes little of it.
  const after = waits(tick);
  expect(after - before).toBeGreaterThan(CORES * 100);
  await until('no crowd', () => worker.log.some(({ isCrowded }) => isCrowded === false));
  const { body } = await worker.client.request('/metrics');
  expect(Number(/^openlambda_crowded_seconds_total (\S+)$/m.exec(body)?.[1])).toBeGreaterThan(0.1);
  const rested = waits(tick);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(waits(tick) - rested).toBeLessThan(20);
});

test('it ends with the worker; where it ends before, the worker goes on, and says so', async () => {
  const worker = await TestWorker.start();
  await worker.cluster.writeFunction('busy', BUSY);
  const tick = await tickOf(worker);
  process.kill(tick, 'SIGKILL');
  await until('a line about it', () =>
    worker.log.some(
      ({ msg, reason }) => /^no fine tick/.test(String(msg)) && /has ended/.test(String(reason)),
    ),
  );
  await Promise.all([1, 2, 3].map(() => worker.result('busy', 0.2)));
  await worker[Symbol.asyncDispose]();
  const other = await TestWorker.start();
  const next = await tickOf(other);
  await other[Symbol.asyncDispose]();
  expect(readProcess(next)).toBe(null);
});

test('where a quota leaves less than all cores there is none, and the log says so', async () => {
  const log: LogLine[] = [];
  const lines = { write: (line: string) => log.push(JSON.parse(line)) };
  const tick = new FineTick(500, CORES - 1, pino({}, lines));
  await until('a line about it', () => log.length > 0);
  expect(log).toMatchObject([{ reason: expect.stringContaining(`leaves ${CORES - 1} of ${CORES} cores`) }]);
  tick.set(true);
  await tick.close();
});

test('sched_tick_us 0 is none', async () => {
  await using worker = await TestWorker.start({ sched_tick_us: 0 });
  expect(childrenOf(process.pid).filter(isTick)).toEqual([]);
  await worker.cluster.writeFunction('busy', BUSY);
  await worker.result('busy', 0.1);
});
