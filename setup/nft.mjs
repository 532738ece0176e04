/**
 * Sees to `nft`, which makes the rules of the sandboxes' network: the distribution's nftables, by its package manager. Nothing
 * depends on it: where it can't be had, sandboxes have no network, and the worker's log says so.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withLock } from './lock.mjs';
import { step } from './progress.mjs';
import { SETUP_CACHE } from './where.mjs';

const run = promisify(execFile);
const PLACES = ['/usr/sbin/nft', '/sbin/nft', '/usr/bin/nft', '/usr/local/sbin/nft'];
const FAILED = join(SETUP_CACHE, 'no-nft');
/** A machine without a network is not kept waiting by each start. */
const AGAIN_MS = 24 * 60 * 60 * 1000;
/** A package manager that waits for another one, or for a server that says nothing. */
const WAIT_MS = 300_000;

/** Of each package manager: what is run, in order. Lists of packages may be old, or not there. */
const MANAGERS = [
  ['/usr/bin/apt-get', ['update', '-q'], ['install', '-y', '-q', '--no-install-recommends', 'nftables']],
  ['/usr/bin/dnf', ['install', '-y', '-q', 'nftables']],
  ['/usr/bin/yum', ['install', '-y', '-q', 'nftables']],
  ['/usr/bin/zypper', ['--non-interactive', '--quiet', 'install', 'nftables']],
  ['/usr/bin/pacman', ['-Sy', '--needed', '--noconfirm', 'nftables']],
  ['/sbin/apk', ['add', '--quiet', 'nftables']],
];

/** Installs nft where it is missing; says in one line why that is not possible, and goes on. */
export async function ensureNft() {
  if (isThere() || failedLately()) return;
  await withLock(async () => {
    if (isThere() || failedLately()) return;
    const reason = await install();
    if (reason === null) return;
    mkdirSync(SETUP_CACHE, { recursive: true });
    writeFileSync(FAILED, `${process.getuid()}\n`);
    process.stderr.write(
      `nft is not to be had, so functions have no network: install nftables for them to have one. ${reason}\n`,
    );
  });
}

function isThere() {
  return PLACES.some((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch (error) {
      if (error.code === 'ENOENT' || error.code === 'EACCES' || error.code === 'ENOTDIR') return false;
      throw error;
    }
  });
}

/** Root may do better than the user who has tried before. */
function failedLately() {
  if (!existsSync(FAILED) || Date.now() - statSync(FAILED).mtimeMs >= AGAIN_MS) return false;
  return readFileSync(FAILED, 'utf8').trim() === String(process.getuid());
}

/** Why there is none; null where there is one now. */
async function install() {
  if (process.getuid() !== 0) return 'Installing it needs root.';
  const manager = MANAGERS.find(([path]) => existsSync(path));
  if (manager === undefined) return 'There is no package manager here that the set-up knows.';
  const [program, ...commands] = manager;
  try {
    await step('Install nftables, for the network of functions', async () => {
      const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, timeout: WAIT_MS };
      for (const command of commands) await run(program, command, { ...options, maxBuffer: 2 ** 24 });
    });
  } catch (error) {
    return lastLine(error.stderr || error.message);
  }
  return isThere() ? null : `${program} has installed nftables, and there is no nft in it.`;
}

function lastLine(text) {
  return String(text).trim().split('\n').at(-1);
}
