import { existsSync, statSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { bootId, CLAIMS_DIR } from '../cluster/claim-record.ts';
import { withDirLock } from '../linux/dir-lock.ts';
import { writeFileAtomic } from '../linux/durable.ts';

const SETTING = '/proc/sys/net/ipv4/ip_forward';
const WAIT_MS = 15_000;

/** There is such a file as long as forwarding is on because of us alone. */
interface Turned {
  readonly bootId: string;
  /** The networks that need it. */
  readonly users: readonly string[];
}

export interface ForwardingPaths {
  readonly setting: string;
  readonly file: string;
}

/**
 * Where it is written down that a worker has turned forwarding on: it has to be known after a crash. One file for each network
 * namespace that workers run in: each has that setting.
 */
export function usualPaths(): ForwardingPaths {
  const { ino } = statSync('/proc/self/ns/net');
  return { setting: SETTING, file: join(dirname(CLAIMS_DIR), `forwarding-${ino}.json`) };
}

/**
 * The machine forwards packets as long as a network needs it. Where it was set so before us, nothing is changed, nor put back.
 * Written down before it is done: whoever comes after a crash puts back what was not even changed.
 */
export async function turnOn(user: string, paths: ForwardingPaths = usualPaths()): Promise<void> {
  await locked(paths, async () => {
    const users = await usersIn(paths.file);
    if (users === null && (await isOn(paths))) return;
    await write(paths.file, [...(users ?? []).filter((one) => one !== user), user]);
    try {
      await writeFile(paths.setting, '1\n');
    } catch (error) {
      if (users === null) await rm(paths.file);
      else await write(paths.file, users);
      throw error;
    }
  });
}

/** That network needs it no more. The last one puts it back. Idempotent. */
export async function giveUp(user: string, paths: ForwardingPaths = usualPaths()): Promise<void> {
  await keep((one) => one !== user, paths);
}

/** No networks but these need it. */
export async function keepOnly(
  inUse: readonly string[],
  paths: ForwardingPaths = usualPaths(),
): Promise<void> {
  if (!existsSync(paths.file)) return;
  await keep((one) => inUse.includes(one), paths);
}

async function keep(isUser: (user: string) => boolean, paths: ForwardingPaths): Promise<void> {
  await locked(paths, async () => {
    const users = await usersIn(paths.file);
    if (users === null) return;
    const left = users.filter(isUser);
    if (left.length === users.length) return;
    if (left.length > 0) return await write(paths.file, left);
    await writeFile(paths.setting, '0\n');
    await rm(paths.file);
  });
}

async function isOn({ setting }: ForwardingPaths): Promise<boolean> {
  return (await readFile(setting, 'utf8')).trim() !== '0';
}

/** Null where we have not turned it on, in this boot. */
async function usersIn(file: string): Promise<readonly string[] | null> {
  try {
    const turned = JSON.parse(await readFile(file, 'utf8')) as Turned;
    return turned.bootId === bootId() ? turned.users : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function write(file: string, users: readonly string[]): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify({ bootId: bootId(), users } satisfies Turned)}\n`);
}

async function locked(paths: ForwardingPaths, work: () => Promise<void>): Promise<void> {
  const dir = dirname(paths.file);
  await mkdir(dir, { recursive: true });
  await withDirLock(dir, WAIT_MS, work);
}
