import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { OlError } from '../errors.ts';
import {
  bootId,
  CLAIMS_DIR,
  type ClaimRecord,
  claimFile,
  listClaims,
  makeClaimsDir,
  writeRecord,
  zygoteOf,
} from './claim-record.ts';
import { type ClusterPaths, realpathOf, type WorkerPaths, workerIndex } from './paths.ts';
import { isAlive, signal, startTicks, waitGone } from './process.ts';

export { CLAIMS_DIR, type ClaimRecord, type Claims, listClaims, workerOf, zygoteOf } from './claim-record.ts';

/**
 * The machine-wide list of workers: one file a worker, /run/openlambda/workers/<slot>.json. It tells which workers run,
 * for whom, and gives each a slot of its own, from which its sandboxes' host uids follow. A claim holds as long as the
 * process that made it lives: id, start time and boot id say which one that is. So nothing has to be tidied up
 * after a crash or a reboot; the next claim takes the slot over. Changes are made under a lock on the directory.
 */

/** So many host uids each worker has: for its sandboxes, and for its package zygotes, which have a range of their own each. */
export const UIDS_PER_WORKER = 2 ** 24;

/** The number of slots: as many ranges of uids as fit, see `uidBase`. */
export const SLOTS = 15;

export type CleanUpAfter = (claim: ClaimRecord) => Promise<void>;

/**
 * Removes what dead workers have changed for the whole machine, whoever has their slot now: `removeStrayNetworks` of the network
 * room. It is told the claims of those that live, or whose sandboxes do.
 */
export type CleanUpMachine = (inUse: readonly ClaimRecord[]) => Promise<void>;

export interface CleanUps {
  readonly cleanUpAfter: CleanUpAfter;
  readonly cleanUpMachine?: CleanUpMachine;
}

export interface ClaimRequest {
  readonly cluster: string;
  readonly workerDir: string;
  readonly port: number;
  /** Where the worker listens, as its config says. Default: `localhost`. */
  readonly host?: string;
  /** Removes what the cluster room cannot see of a dead worker, of the same directory or the same slot: `cleanUpAfter` of the sandbox room. */
  readonly cleanUpAfter?: CleanUpAfter;
  readonly cleanUpMachine?: CleanUpMachine;
}

export interface ClaimUpdate {
  readonly port?: number;
  readonly zygotePid?: number;
  readonly cgroupDirs?: readonly string[];
  readonly dockerSocket?: string;
}

/** This process's own claim. */
export interface Claim {
  readonly slot: number;
  /** Tells the port that was taken, PID 1 of the sandboxes, the cgroups, or the Docker daemon. */
  update(fields: ClaimUpdate): Promise<void>;
  /** Gives the slot back; a second call does nothing. */
  release(): Promise<void>;
}

/**
 * The first of the host uids of a slot. systemd's list of uid ranges leaves 1879048192 (0x70000000) to
 * 2147352575 (0x7FFDFFFF) unused: 15 ranges, slots 0 to 14.
 */
export function uidBase(slot: number): number {
  return 0x70000000 + slot * UIDS_PER_WORKER;
}

/**
 * Claims the lowest free slot for this process, exclusively. What a dead worker of the same directory left running is
 * ended first, and nobody but its claim knows where its cgroups are: what a claim that goes names is removed. Throws ERR_WORKER_RUNNING where a live worker has the same directory, ERR_NO_SLOT, ERR_LOCKED.
 */
export async function claimSlot(request: ClaimRequest, dir = CLAIMS_DIR): Promise<Claim> {
  const wanted = {
    ...request,
    cluster: await realpathOf(request.cluster),
    workerDir: await realpathOf(request.workerDir),
  };
  await makeClaimsDir(dir);
  return await locked(dir, async () => {
    const { live, stale } = await listClaims(dir);
    const running = live.find((claim) => claim.workerDir === wanted.workerDir);
    if (running !== undefined) throw workerRunning(running);
    const mine = stale.filter((claim) => claim.workerDir === wanted.workerDir);
    for (const claim of mine) await endZygote(claim);
    const record = newRecord(freeSlot(live, stale), wanted);
    for (const claim of stale)
      if (mine.includes(claim) || claim.slot === record.slot) await request.cleanUpAfter?.(claim);
    await request.cleanUpMachine?.([...live, ...stale.filter(isZygoteAlive)]);
    for (const claim of mine) if (claim.slot !== record.slot) await rm(claimFile(dir, claim.slot));
    await writeRecord(dir, record);
    return new OwnClaim(dir, record);
  });
}

/**
 * Removes the stale claims of a cluster, and first what their dead workers left. Under the lock: a new worker that took over
 * such a slot meanwhile would have cgroups of the same names.
 */
export async function removeStaleClaims(
  cluster: string,
  { cleanUpAfter, cleanUpMachine }: CleanUps,
  dir = CLAIMS_DIR,
): Promise<void> {
  if (!existsSync(dir)) return; // no worker has run since the machine came up
  await locked(dir, async () => {
    const { live, stale } = await listClaims(dir);
    for (const claim of stale.filter((one) => one.cluster === cluster)) {
      await cleanUpAfter(claim);
      await rm(claimFile(dir, claim.slot));
    }
    await cleanUpMachine?.([...live, ...stale.filter(isZygoteAlive)]);
  });
}

/** Is this the claim of that worker? By number, as `workers` may be a link to another disk. */
export function isClaimOf(claim: ClaimRecord, cluster: ClusterPaths, worker: WorkerPaths): boolean {
  return claim.cluster === cluster.root && workerIndex(claim.workerDir) === workerIndex(worker.dir);
}

/** The error for a worker that already runs, with what to do about it. */
export function workerRunning(claim: ClaimRecord): OlError {
  const index = workerIndex(claim.workerDir);
  return new OlError('ERR_WORKER_RUNNING', {
    worker: index ?? claim.workerDir,
    cluster: claim.cluster,
    pid: claim.pid,
    hint: `it listens on port ${claim.port}; end it with \`admin kill --cluster=${claim.cluster}\``,
  });
}

class OwnClaim implements Claim {
  readonly slot: number;
  readonly #dir: string;
  #record: ClaimRecord;
  #released = false;

  constructor(dir: string, record: ClaimRecord) {
    this.slot = record.slot;
    this.#dir = dir;
    this.#record = record;
  }

  async update(fields: ClaimUpdate): Promise<void> {
    if (this.#released) return;
    const { zygotePid } = fields;
    const zygote = zygotePid === undefined ? {} : { zygoteStartTicks: startTicks(zygotePid) };
    this.#record = { ...this.#record, ...fields, ...zygote };
    await writeRecord(this.#dir, this.#record);
  }

  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    await rm(claimFile(this.#dir, this.slot), { force: true });
  }
}

function isZygoteAlive(claim: ClaimRecord): boolean {
  const zygote = zygoteOf(claim);
  return zygote !== null && isAlive(zygote.pid, zygote.startTicks);
}

/** PID 1 of the sandboxes ends by itself when its worker is gone; this waits for it, and helps after two seconds. */
async function endZygote(claim: ClaimRecord): Promise<void> {
  const zygote = zygoteOf(claim);
  if (zygote === null || (await waitGone([zygote], 2000)).length === 0) return;
  signal(zygote, 'SIGKILL');
  if ((await waitGone([zygote], 5000)).length === 0) return;
  const what = `PID 1 of the sandboxes of ${claim.workerDir}`;
  throw new OlError('ERR_KILL_FAILED', { pid: zygote.pid, what, waitedMs: 7000, hint: 'look at its state' });
}

/** A stale claim's slot is free only when its zygote is gone: until then its sandboxes may use the slot's uids. */
function freeSlot(live: readonly ClaimRecord[], stale: readonly ClaimRecord[]): number {
  const ending = stale.filter(isZygoteAlive);
  const taken = new Set([...live, ...ending].map((claim) => claim.slot));
  for (let slot = 0; slot < SLOTS; slot++) if (!taken.has(slot)) return slot;
  throw new OlError('ERR_NO_SLOT', { slots: SLOTS });
}

function newRecord(slot: number, request: ClaimRequest): ClaimRecord {
  const ticks = startTicks(process.pid);
  if (ticks === null) throw new OlError('ERR_INTERNAL', { reason: '/proc does not show this process' });
  const { cluster, workerDir, port, host = 'localhost' } = request;
  const worker = { pid: process.pid, startTicks: ticks, bootId: bootId() };
  return {
    slot,
    ...worker,
    cluster,
    workerDir,
    host,
    port,
    zygotePid: null,
    zygoteStartTicks: null,
    cgroupDirs: [],
    dockerSocket: null,
  };
}

async function locked<T>(dir: string, work: () => Promise<T>): Promise<T> {
  // Loaded late: the commands that only read claims start faster without the FFI.
  const { withDirLock } = await import('../linux/dir-lock.ts');
  return await withDirLock(dir, 15_000, work);
}
