import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { initOf, untilGone, zygoteOf } from '../helpers/background.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { isStillThere, readProcess, treeOf } from '../helpers/processes.ts';
import { ProcessLimit } from './process-limit.ts';
import { errorOf, FaultStage } from './stage.ts';

leavesNothing();

/** Then none can be opened, whatever is closed. */
const FEWER_THAN_OPEN = 10;

/** So many descriptors may a process have from now on; returns what takes that back. */
function limitDescriptors(pid: number, count: number): () => void {
  const set = (limit: string) => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${limit}`]);
  const before = execFileSync('prlimit', [
    '--pid',
    String(pid),
    '--nofile',
    '--noheadings',
    '--output=SOFT,HARD',
  ])
    .toString()
    .trim()
    .split(/\s+/)
    .join(':');
  set(`${count}:`);
  return () => set(before);
}

/** A limit with which so many descriptors can still be opened. */
function limitWithFree(pid: number, count: number): number {
  const open = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let free = 0;
  for (let limit = 0; ; limit++) {
    if (free === count) return limit;
    if (!open.has(limit)) free++;
  }
}

/** Its sandboxes live on. */
async function killRootZygote(stage: FaultStage): Promise<void> {
  const zygote = await zygoteOf(stage.cluster);
  process.kill(zygote, 'SIGKILL');
  await until('end of the root zygote', () => readProcess(zygote) === null);
}

/** And with it all sandboxes. */
async function killInit(stage: FaultStage): Promise<void> {
  const init = await initOf(stage.cluster);
  const tree = treeOf(init);
  process.kill(init, 'SIGKILL');
  await untilGone(tree);
}

test('no descriptors left in the worker', async () => {
  await using stage = await FaultStage.open();
  const names = ['cold0', 'cold1', 'cold2', 'cold3'];
  for (const name of names) await stage.cluster.addFixture('echo', name);
  await stage.startWarm();
  const { pid } = stage.worker.started;
  await stage.survives(async () => {
    const giveBack = limitDescriptors(pid, FEWER_THAN_OPEN);
    // On a connection that is there, what is here is served; what would be started is told why it is not.
    for (const name of names) {
      expect(await stage.client.invoke('here')).toMatchObject({ status: 200, body: '"here"' });
      expect(await stage.client.invoke(name, 1)).not.toMatchObject({ status: 200 });
    }
    // The next root zygote can't be started before there are some; what it has left goes on.
    await killRootZygote(stage);
    expect(await stage.client.invoke('here')).toMatchObject({ status: 200, body: '"here"' });
    await killInit(stage);
    // Enough for its control socket, and not for its streams.
    limitDescriptors(pid, limitWithFree(pid, 5));
    await stage.client.invoke('here');
    giveBack();
  });
  expect(isStillThere(stage.worker.process)).toBe(true);
  for (const name of names) expect(errorOf(await stage.call(name, 1))).toBe('200');
});

test('the machine’s process limit reached', async () => {
  await using stage = await FaultStage.open({ spare_sandboxes: 0 });
  await stage.cluster.addFixture('echo', 'cold');
  await stage.startWarm();
  const trusted = stage.worker.tree().filter(({ pidNamespace, command }) => {
    return pidNamespace === stage.worker.process.pidNamespace || /zygote\.py|launch\.py/.test(command);
  });
  using limit = new ProcessLimit(trusted.map(({ pid }) => pid));
  await stage.survives(async () => {
    limit.reach();
    await stage.expectServed();
    const { status, body } = await stage.call('cold', 1);
    expect({ status, body }).toMatchObject({
      status: 503,
      body: expect.stringMatching(/ERR_SANDBOX_START.*EAGAIN|Resource temporarily unavailable/),
    });
    // Nor can another root zygote be started; the limit is lifted while that is tried.
    await killRootZygote(stage);
    await stage.expectServed();
    const waiting = stage.call('cold', 2);
    limit.lift();
    expect(await waiting).toMatchObject({ status: 200, body: '2' });
    await stage.cluster.removeFunction('cold');
    await stage.call('cold');
  });
  expect(isStillThere(stage.worker.process)).toBe(true);
});
