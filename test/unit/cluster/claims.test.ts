import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import {
  claimSlot,
  listClaims,
  removeStaleClaims,
  SLOTS,
  UIDS_PER_WORKER,
  uidBase,
} from '../../../src/cluster/claims.ts';
import { isAlive, startTicks } from '../../../src/cluster/process.ts';
import { useTempDir } from './temp-dir.ts';

const temp = useTempDir();
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function request(name: string) {
  return { cluster: '/c', workerDir: `/c/workers/${name}`, port: 8080 };
}

/** Another process that claims a slot and holds it until it is ended; gives the slot, or the error's code. */
async function claimElsewhere(name: string, dir: string): Promise<{ said: string; child: ChildProcess }> {
  const script = `
    import { claimSlot } from ${JSON.stringify(new URL('../../../src/cluster/claims.ts', import.meta.url).href)};
    const { request, dir } = JSON.parse(process.argv[1]);
    try { console.log((await claimSlot(request, dir)).slot); } catch (error) { console.log(error.code ?? error); }
    setInterval(() => {}, 1000);`;
  const args = ['--input-type=module', '-e', script, JSON.stringify({ request: request(name), dir })];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = await once(child.stdout, 'data');
  return { said: String(line).trim(), child };
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('the uid ranges of the slots lie in the range that systemd leaves unused, side by side', () => {
  expect(uidBase(0)).toBe(1879048192);
  expect(uidBase(SLOTS) - 1).toBeLessThanOrEqual(2147352575);
  expect(uidBase(SLOTS + 1) - 1).toBeGreaterThan(2147352575);
  expect(uidBase(8) - uidBase(7)).toBe(UIDS_PER_WORKER);
});

test('a claim is on the list until it is released', async () => {
  const dir = join(temp.dir, 'workers');
  const claim = await claimSlot(request('worker-0'), dir);
  const { live, stale } = await listClaims(dir);
  expect(live).toMatchObject([{ slot: 0, pid: process.pid, port: 8080, host: 'localhost', zygotePid: null }]);
  expect(stale).toEqual([]);
  await claim.release();
  await claim.release();
  await claim.update({ port: 1 });
  expect(readdirSync(dir)).toEqual([]);
});

test('everybody may read the list whatever the umask', async () => {
  const before = process.umask(0o077);
  try {
    await claimSlot(request('worker-0'), join(temp.dir, 'a', 'b'));
  } finally {
    process.umask(before);
  }
  expect(statSync(join(temp.dir, 'a')).mode & 0o777).toBe(0o755);
  expect(statSync(join(temp.dir, 'a', 'b')).mode & 0o777).toBe(0o755);
});

test('an update tells the port and the root zygote with its start time', async () => {
  const claim = await claimSlot(request('worker-0'), temp.dir);
  await claim.update({ port: 1234, zygotePid: process.ppid });
  const [record] = (await listClaims(temp.dir)).live;
  expect(record).toMatchObject({
    port: 1234,
    zygotePid: process.ppid,
    zygoteStartTicks: startTicks(process.ppid),
  });
});

test('two workers get two slots, and the same worker is refused', async () => {
  await claimSlot(request('worker-0'), temp.dir);
  const { said } = await claimElsewhere('worker-1', temp.dir);
  expect(said).toBe('1');
  await expect(claimSlot(request('worker-1'), temp.dir)).rejects.toMatchObject({
    code: 'ERR_WORKER_RUNNING',
  });
});

test('claims made at the same time never share a slot, and one worker is claimed once', async () => {
  const names = ['worker-0', 'worker-1', 'worker-2', 'worker-3', 'worker-3'];
  const said = (await Promise.all(names.map((name) => claimElsewhere(name, temp.dir)))).map(
    (one) => one.said,
  );
  expect(said.sort()).toEqual(['0', '1', '2', '3', 'ERR_WORKER_RUNNING']);
});

test('the claim of a dead worker is stale, and its slot is taken over', async () => {
  const { child } = await claimElsewhere('worker-0', temp.dir);
  await end(child);
  expect((await listClaims(temp.dir)).stale).toMatchObject([{ slot: 0, pid: child.pid }]);
  const claim = await claimSlot(request('worker-9'), temp.dir);
  expect(claim.slot).toBe(0);
});

test.each([
  ['start time', { startTicks: 1 }],
  ['boot id', { bootId: 'another' }],
])('a live process with another %s is not the worker', async (_, change) => {
  await claimSlot(request('worker-0'), temp.dir);
  const file = join(temp.dir, '0.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }));
  expect((await listClaims(temp.dir)).live).toEqual([]);
  expect((await claimSlot(request('worker-0'), temp.dir)).slot).toBe(0);
});

test('a dead worker of the same directory has its root zygote ended; another one keeps its slot until then', async () => {
  const zygote = spawn('sleep', ['60']);
  children.push(zygote);
  await once(zygote, 'spawn');
  const pid = zygote.pid ?? 0;
  const { child } = await claimElsewhere('worker-0', temp.dir);
  await end(child);
  const file = join(temp.dir, '0.json');
  const ticks = startTicks(pid) ?? Number.NaN;
  const left = { ...JSON.parse(readFileSync(file, 'utf8')), zygotePid: pid, zygoteStartTicks: ticks };
  writeFileSync(file, JSON.stringify(left));
  expect((await claimSlot(request('worker-1'), temp.dir)).slot).toBe(1);
  expect(isAlive(pid, ticks)).toBe(true);
  expect((await claimSlot(request('worker-0'), temp.dir)).slot).toBe(0);
  expect(isAlive(pid, ticks)).toBe(false);
});

/** Claims for the names that are given are stale afterwards, in slots from 0 on. */
async function leaveClaims(...names: readonly string[]): Promise<void> {
  const children: ChildProcess[] = [];
  for (const name of names) children.push((await claimElsewhere(name, temp.dir)).child);
  for (const child of children) await end(child);
}

function cleaner() {
  const cleaned: number[] = [];
  const cleanUpAfter = async ({ slot }: { slot: number }) => void cleaned.push(slot);
  return { cleaned, cleanUpAfter };
}

test('stale claims are removed for one cluster only, with what their workers left', async () => {
  await leaveClaims('worker-0');
  const { cleaned, cleanUpAfter } = cleaner();
  await removeStaleClaims('/other', { cleanUpAfter }, temp.dir);
  expect((await listClaims(temp.dir)).stale).toHaveLength(1);
  await removeStaleClaims('/c', { cleanUpAfter }, temp.dir);
  expect((await listClaims(temp.dir)).stale).toEqual([]);
  expect(cleaned).toEqual([0]);
});

test('whoever takes a slot over, or starts the same worker again, removes what the claim that goes names', async () => {
  await leaveClaims('worker-0', 'worker-1', 'worker-2');
  const { cleaned, cleanUpAfter } = cleaner();
  await claimSlot({ ...request('worker-2'), cleanUpAfter }, temp.dir);
  expect(cleaned.sort()).toEqual([0, 2]);
  expect((await listClaims(temp.dir)).stale).toMatchObject([{ slot: 1 }]);
});

test('what is the whole machine’s is cleaned up with each claim and each removal, and is told who lives', async () => {
  const { child } = await claimElsewhere('worker-0', temp.dir);
  await leaveClaims('worker-1');
  const told: number[][] = [];
  const cleanUpMachine = async (inUse: readonly { slot: number }[]) =>
    void told.push(inUse.map(({ slot }) => slot));
  const own = await claimSlot({ ...request('worker-2'), cleanUpMachine }, temp.dir);
  await removeStaleClaims('/other', { cleanUpAfter: async () => {}, cleanUpMachine }, temp.dir);
  await own.release();
  await end(child);
  expect(told).toEqual([[0], [0, own.slot]]);
});

test('a file that is no claim is named', async () => {
  writeFileSync(join(temp.dir, '7.json'), '{');
  await expect(listClaims(temp.dir)).rejects.toMatchObject({ code: 'ERR_CLAIM_BROKEN' });
});

test('no list is an empty list', async () => {
  expect(await listClaims(join(temp.dir, 'none'))).toEqual({ live: [], stale: [] });
});
