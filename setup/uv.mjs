/**
 * Fetches uv, which installs Python packages many times faster than pip, by means of the distribution's pip: so from the
 * index that pip is configured for. Nothing depends on it: where it can't be had, pip installs packages.
 */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { lastWords } from './failure.mjs';
import { withLock } from './lock.mjs';
import { PYTHON } from './machine.mjs';
import { runPip } from './pip.mjs';
import { step } from './progress.mjs';
import { withStage } from './stage.mjs';
import { ROOT } from './where.mjs';

const run = promisify(execFile);
const PIN = join(ROOT, 'setup', 'uv', 'requirements.txt');
const DIR = join(ROOT, '.cache', 'uv');
const STAGE = 'uv-';
/** A machine without a network is not kept waiting by each start. */
const AGAIN_MS = 24 * 60 * 60 * 1000;
const PATIENCE = { retries: 1, seconds: 15 };
const PLATFORMS = { x64: 'musllinux_1_1_x86_64', arm64: 'musllinux_1_1_aarch64' };

/** Puts uv at `.cache/uv/uv` where the checkout names one; says why where that is not possible, and goes on. */
export async function ensureUv() {
  const platform = PLATFORMS[process.arch];
  if (platform === undefined || !existsSync(PIN) || isDone()) return;
  await withLock(async () => {
    if (isDone()) return;
    try {
      await step('Fetch uv, which installs Python packages (19 MB, once)', () => fetchUv(platform));
      note('is there');
    } catch (error) {
      note('was not to be had');
      process.stderr.write(
        `uv is not to be had: pip installs packages, which takes longer. ${lastWords(error)}\n`,
      );
    }
  });
}

/** Another pin asks for another one; a failure holds for a day. */
function isDone() {
  const file = join(DIR, 'state.json');
  if (!existsSync(file)) return false;
  const { pin, state } = JSON.parse(readFileSync(file, 'utf8'));
  if (pin !== readFileSync(PIN, 'utf8')) return false;
  return state === 'is there' ? existsSync(join(DIR, 'uv')) : Date.now() - statSync(file).mtimeMs < AGAIN_MS;
}

function note(state) {
  mkdirSync(DIR, { recursive: true });
  const file = join(DIR, 'state.json');
  writeFileSync(`${file}.tmp`, `${JSON.stringify({ pin: readFileSync(PIN, 'utf8'), state })}\n`);
  renameSync(`${file}.tmp`, file);
}

async function fetchUv(platform) {
  await withStage(STAGE, async (stage) => {
    await runPip('download', PIN, PATIENCE, ['--platform', platform, '--dest', stage]);
    const wheel = readdirSync(stage).find((name) => name.endsWith('.whl'));
    await run(PYTHON, ['-m', 'zipfile', '--extract', join(stage, wheel), stage]);
    const data = readdirSync(stage).find((name) => name.endsWith('.data'));
    const program = join(stage, data, 'scripts', 'uv');
    chmodSync(program, 0o755);
    mkdirSync(DIR, { recursive: true });
    renameSync(program, join(DIR, 'uv'));
  });
}
