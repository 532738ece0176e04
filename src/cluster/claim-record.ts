import { readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OlError } from '../errors.ts';
import { writeFileAtomic } from '../linux/durable.ts';
import { isAlive, type ProcessId } from './process.ts';

/** What is in the machine-wide list of workers; `claims.ts` tells what it is for. */
export const CLAIMS_DIR = '/run/openlambda/workers';

/** One worker, as the list has it. Null stands for a PID 1 of its sandboxes that is not there yet. */
export interface ClaimRecord {
  readonly slot: number;
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
  readonly cluster: string;
  readonly workerDir: string;
  readonly host: string;
  readonly port: number;
  /** PID 1 of its zygotes and sandboxes: when it is gone, so are they all. */
  readonly zygotePid: number | null;
  readonly zygoteStartTicks: number | null;
  /** The directories of its own cgroups. They outlive it when it is killed. */
  readonly cgroupDirs: readonly string[];
  /** The daemon that makes its containers, which outlive it, too; null where it makes none. */
  readonly dockerSocket: string | null;
}

export interface Claims {
  readonly live: readonly ClaimRecord[];
  readonly stale: readonly ClaimRecord[];
}

/** All claims on this machine, by slot. A stale one's worker is gone; its sandboxes may still be ending. */
export async function listClaims(dir = CLAIMS_DIR): Promise<Claims> {
  const live: ClaimRecord[] = [];
  const stale: ClaimRecord[] = [];
  for (const slot of await slotsIn(dir)) {
    const record = await readRecord(claimFile(dir, slot));
    if (record !== null) (isLive(record) ? live : stale).push(record);
  }
  return { live, stale };
}

/** The worker's process. */
export function workerOf(claim: ClaimRecord): ProcessId {
  return { pid: claim.pid, startTicks: claim.startTicks };
}

/** The process that is PID 1 of the worker's zygotes and sandboxes, or null where it has none, or not in this boot. */
export function zygoteOf(claim: ClaimRecord): ProcessId | null {
  if (claim.zygotePid === null || claim.zygoteStartTicks === null || claim.bootId !== bootId()) return null;
  return { pid: claim.zygotePid, startTicks: claim.zygoteStartTicks };
}

function isLive(claim: ClaimRecord): boolean {
  return claim.bootId === bootId() && isAlive(claim.pid, claim.startTicks);
}

/** Read once: it is another one after a reboot only. */
let knownBootId: string | null = null;

/** Tells this boot from every other. */
export function bootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return knownBootId;
}

/** The slots that have a file, in order. */
export async function slotsIn(dir: string): Promise<number[]> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const slots = names.filter((name) => /^\d{1,4}\.json$/.test(name)).map((name) => Number.parseInt(name, 10));
  return slots.sort((a, b) => a - b);
}

/** The file of a slot. */
export function claimFile(dir: string, slot: number): string {
  return join(dir, `${slot}.json`);
}

/** Writes a claim, whole or not at all. */
export async function writeRecord(dir: string, record: ClaimRecord): Promise<void> {
  await writeFileAtomic(claimFile(dir, record.slot), `${JSON.stringify(record)}\n`);
}

/** Null where the claim was released meanwhile. */
async function readRecord(path: string): Promise<ClaimRecord | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return parseRecord(text, path);
}

function parseRecord(text: string, path: string): ClaimRecord {
  let cause: unknown;
  try {
    const record: ClaimRecord = JSON.parse(text);
    if (Number.isInteger(record.pid) && Number.isInteger(record.startTicks)) return record;
  } catch (error) {
    cause = error;
  }
  // Written atomically, so this was never ours.
  throw new OlError('ERR_CLAIM_BROKEN', { path }, { cause });
}

/** Everybody may read the list, root alone may change it, whatever the umask. */
export async function makeClaimsDir(dir: string): Promise<void> {
  const first = await mkdir(dir, { recursive: true });
  if (first === undefined) return;
  for (let made = dir; made.length >= first.length; made = dirname(made)) await chmod(made, 0o755);
}
