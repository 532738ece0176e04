import { readdir, readFile, readlink } from 'node:fs/promises';
import { OlError } from '../errors.ts';
import { type ClaimRecord, listClaims } from './claims.ts';
import { processArgs, processCwd, processName } from './process.ts';
import { registryClusterOf } from './service.ts';

export interface PortOwner {
  readonly pid: number;
  readonly program: string;
}

/** Whoever listens on a port, as far as /proc tells: `owner` is null where the process can't be seen from here. */
export interface PortUse {
  readonly owner: PortOwner | null;
}

/** In the socket tables' own hexadecimal form: words of four bytes in the machine's byte order. */
const LOOPBACK = ['0100007F', '00000000000000000000000001000000'];
const ANY = ['00000000', '0'.repeat(32)];
const STATE_LISTEN = '0A';

/**
 * Who listens on `port` so that a worker on `host` could not, or null where nobody does. Only the names `localhost` and
 * the any-addresses are compared by address; for another host any listener on all addresses counts.
 */
export async function portUse(port: number, host = 'localhost'): Promise<PortUse | null> {
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(readTable));
  const inodes = tables.flat().filter((row) => row.port === port && collides(row.address, host));
  const [first] = inodes;
  return first === undefined ? null : { owner: await ownerOf(first.inode) };
}

/** Throws where `port` is taken: ERR_PORT_HELD, which names the program, or ERR_PORT_TAKEN where it can't be seen. */
export async function checkPortFree(port: number, host = 'localhost'): Promise<void> {
  if (port === 0) return;
  const use = await portUse(port, host);
  if (use !== null) throw await portTaken(port, host, use);
}

/** The error for a port that somebody else has. */
export async function portTaken(port: number, host: string, use?: PortUse | null): Promise<OlError> {
  const owner = (use ?? (await portUse(port, host)))?.owner ?? null;
  if (owner === null) return new OlError('ERR_PORT_TAKEN', { port, host });
  const claim = (await listClaims()).live.find(({ pid }) => pid === owner.pid);
  const program = claim === undefined ? (ownRegistry(owner) ?? owner.program) : ownWorker(claim);
  return new OlError('ERR_PORT_HELD', { port, host, program, pid: owner.pid });
}

function ownWorker(claim: ClaimRecord): string {
  return `the OpenLambda worker of cluster ${claim.cluster}`;
}

function ownRegistry({ pid }: PortOwner): string | null {
  const cluster = registryClusterOf(processArgs(pid) ?? [], processCwd(pid) ?? '/');
  return cluster === null ? null : `the OpenLambda registry of cluster ${cluster}`;
}

interface Row {
  readonly address: string;
  readonly port: number;
  readonly inode: string;
}

async function readTable(path: string): Promise<Row[]> {
  // No tcp6 where the machine has no IPv6.
  const text = await readFile(path, 'utf8').catch(goneIs(''));
  const rows = text.trim().split('\n').slice(1);
  return rows.map((line) => line.trim().split(/\s+/)).flatMap(parseRow);
}

/** `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …` */
function parseRow(fields: readonly string[]): Row[] {
  const [address, port] = (fields[1] ?? '').split(':');
  const inode = fields[9];
  if (fields[3] !== STATE_LISTEN || address === undefined || port === undefined || inode === undefined)
    return [];
  return [{ address, port: Number.parseInt(port, 16), inode }];
}

function collides(address: string, host: string): boolean {
  if (ANY.includes(address)) return true;
  if (host === '0.0.0.0' || host === '::') return true;
  return ['localhost', '127.0.0.1', '::1'].includes(host) && LOOPBACK.includes(address);
}

async function ownerOf(inode: string): Promise<PortOwner | null> {
  const link = `socket:[${inode}]`;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    if (await holds(pid, link)) return { pid, program: processName(pid) ?? 'a program' };
  }
  return null;
}

async function holds(pid: number, link: string): Promise<boolean> {
  const dir = `/proc/${pid}/fd`;
  for (const fd of await readdir(dir).catch(goneIs<string[]>([]))) {
    if ((await readlink(`${dir}/${fd}`).catch(goneIs(''))) === link) return true;
  }
  return false;
}

/** Processes and descriptors come and go while they are looked through; those of others may be hidden. */
function goneIs<T>(nothing: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(error.code ?? '')) return nothing;
    throw error;
  };
}
