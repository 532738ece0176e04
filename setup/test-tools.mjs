/**
 * Fetches the programs that the tests of the registry run against it, none of which a worker needs: other S3 clients
 * (boto3, the AWS command line) and another S3 server (rclone). By the distribution's pip, from its index, by hash.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lastWords } from './failure.mjs';
import { withLock } from './lock.mjs';
import { runPip } from './pip.mjs';
import { step } from './progress.mjs';
import { withStage } from './stage.mjs';
import { hash } from './stamp.mjs';
import { ROOT } from './where.mjs';

const PIN = join(ROOT, 'setup', 'test-tools', 'requirements.txt');
const DIR = join(ROOT, '.cache', 'test-tools');
const STAGE = 'test-tools-';
const PATIENCE = { retries: 2, seconds: 30 };

/** Where they are, or would be: below `.cache/test-tools/<hash of their versions>`. */
export function testToolsPlace() {
  return join(DIR, hash(readFileSync(PIN, 'utf8')).slice(0, 16));
}

/** Puts them there. Tests that miss them say so, and are skipped. */
export async function ensureTestTools() {
  const place = testToolsPlace();
  if (existsSync(place)) return;
  await withLock(async () => {
    if (existsSync(place)) return;
    try {
      await step('Fetch other S3 clients and servers for tests (60 MB, once)', () => fetchTools(place));
    } catch (error) {
      process.stderr.write(`They are not to be had: tests that need them are skipped. ${lastWords(error)}\n`);
    }
  });
}

async function fetchTools(place) {
  await withStage(STAGE, async (stage) => {
    await runPip('install', PIN, PATIENCE, ['--target', stage]);
    rmSync(DIR, { recursive: true, force: true });
    mkdirSync(DIR, { recursive: true });
    renameSync(stage, place);
  });
}
