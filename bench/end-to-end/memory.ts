import { memoryOfTree } from '../../src/sandbox/memory.ts';
import { WaitingPython } from '../floors/waiting-python.ts';
import type { Bench, BenchRow, SpreadRow } from '../measure/bench.ts';
import { allPaused, callNewFunctions } from '../measure/idle.ts';
import { startRig } from '../measure/rig.ts';
import { summarize } from '../measure/stats.ts';

const MAX_SANDBOXES = 100;

export const memory: Bench = {
  name: 'memory',
  about: 'What an idle sandbox takes, where there are many, each of a function of its own.',
  async run({ samples }) {
    const count = Math.min(samples, MAX_SANDBOXES);
    const floor = await measureFloor(count);
    return {
      rows: [floor, ...(await measureSandboxes(count))],
      notes: [
        `There are ${count} of each, at the same time. PSS is the proportional set size: a page that several ` +
          'processes share counts for each in part.',
        'A cgroup counts a page for the one that touched it first, and what the kernel keeps for its processes. It was ' +
          'read after the first call.',
      ],
    };
  },
};

async function measureFloor(count: number): Promise<SpreadRow> {
  await using all = new AsyncDisposableStack();
  const pids: number[] = [];
  for (let i = 0; i < count; i++) pids.push(all.use(await WaitingPython.start()).pid);
  return { what: 'floor: a bare Python that waits (`python3 -I -S`), PSS', ...(await summarizePss(pids)) };
}

async function measureSandboxes(count: number): Promise<BenchRow[]> {
  await using rig = await startRig({});
  await callNewFunctions(rig, 0, count);
  const sandboxes = await allPaused(rig, count);
  const pids = sandboxes.map(({ pid }) => pid).filter((pid) => pid !== null);
  return [
    { what: 'an idle sandbox, PSS', ...(await summarizePss(pids)) },
    { what: 'an idle sandbox, by its cgroup', ...inMb(sandboxes.map(({ memoryKb }) => memoryKb)) },
  ];
}

async function summarizePss(pids: readonly number[]) {
  return inMb(await Promise.all(pids.map(memoryOfTree)));
}

function inMb(kb: readonly number[]) {
  return { unit: 'MB', ...summarize(kb.map((one) => one / 1024)) } as const;
}
