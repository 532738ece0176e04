/**
 * Sees to a Docker daemon's program for the full matrix of tests: Debian's `docker.io`, where the machine has none and a package
 * manager that knows it. Nothing else needs it, so nothing else calls this. Without it, what needs Docker is skipped, and says so.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { lastWords } from './failure.mjs';
import { step } from './progress.mjs';

const run = promisify(execFile);
/** `docker.io` starts no daemon by itself where this says so; the tests start one of their own. */
const QUIET = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
const PLACES = ['/usr/sbin/dockerd', '/usr/bin/dockerd', '/usr/local/bin/dockerd'];

/** The machine's dockerd; null for none. */
export function findDockerd() {
  return PLACES.find((path) => existsSync(path)) ?? null;
}

/** Installs it where that can be done; returns why there is none then, and null where there is one. */
export async function ensureDockerd() {
  if (findDockerd() !== null) return null;
  if (process.getuid() !== 0) return 'dockerd is not installed, and installing it needs root';
  if (!existsSync('/usr/bin/apt-get'))
    return "dockerd is not installed: install Docker by this distribution's package manager";
  try {
    await step('Install docker.io, for the tests with Docker', install);
  } catch (error) {
    return `docker.io could not be installed: ${lastWords(error)}`;
  }
  return findDockerd() === null ? 'docker.io is installed, and there is no dockerd in it' : null;
}

async function install() {
  const options = { env: { ...process.env, ...QUIET }, maxBuffer: 16 * 1024 * 1024 };
  await run('apt-get', ['update', '-q'], options);
  await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'docker.io'], options);
}
