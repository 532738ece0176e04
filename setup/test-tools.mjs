/**
 * Fetches the programs that the tests of the registry run against it, none of which a worker needs: other S3 clients
 * (boto3, the AWS command line) and another S3 server (rclone). By the distribution's pip, from its index, by hash.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withLock } from './lock.mjs';
import { PYTHON } from './machine.mjs';
import { step } from './progress.mjs';
import { hash } from './stamp.mjs';
import { ROOT, SETUP_CACHE } from './where.mjs';

const run = promisify(execFile);
const PIN = join(ROOT, 'setup', 'test-tools', 'requirements.txt');
const DIR = join(ROOT, '.cache', 'test-tools');
const STAGE = 'test-tools-';
const WAIT = ['--retries', '2', '--timeout', '30'];

/** Puts them below `.cache/test-tools/<hash of their versions>`. Tests that miss them say so, and are skipped. */
export async function ensureTestTools() {
  const place = join(DIR, hash(readFileSync(PIN, 'utf8')).slice(0, 16));
  if (existsSync(place)) return;
  await withLock(async () => {
    if (existsSync(place)) return;
    try {
      await step('Fetch other S3 clients and servers for tests (60 MB, once)', () => fetchTools(place));
    } catch (error) {
      const words = String(error.stderr || error.message).trim();
      process.stderr.write(
        `They are not to be had: tests that need them are skipped. ${words.split('\n').at(-1)}\n`,
      );
    }
  });
}

async function fetchTools(place) {
  for (const left of readdirSync(SETUP_CACHE).filter((name) => name.startsWith(STAGE)))
    rmSync(join(SETUP_CACHE, left), { recursive: true });
  const stage = mkdtempSync(join(SETUP_CACHE, STAGE));
  try {
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', ...WAIT];
    const wanted = ['--requirement', PIN, '--require-hashes', '--no-deps', '--only-binary', ':all:'];
    await run(PYTHON, [...pip, ...wanted, '--target', stage], { maxBuffer: 2 ** 26 });
    rmSync(DIR, { recursive: true, force: true });
    mkdirSync(DIR, { recursive: true });
    renameSync(stage, place);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}
