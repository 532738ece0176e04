import { execFileSync } from 'node:child_process';
import { SetupError } from './failure.mjs';

/**
 * The distribution's Python. Never one from PATH: sandboxes see the machine's `/usr` and nothing else of it,
 * so another one (pyenv's, for instance) would not be there.
 */
export const PYTHON = '/usr/bin/python3';
const OLDEST_PYTHON = [3, 9];

export function checkPlatform() {
  if (process.platform === 'linux') return;
  throw new SetupError(`OpenLambda runs on Linux, and this is ${process.platform}: use a Linux machine.`);
}

/** What a worker will need and no download can mend; kernel features are the worker's own business. */
export function checkReadyToServe() {
  if (process.getuid() !== 0) {
    throw new SetupError(
      'Making sandboxes needs root: become root with `sudo -s`, then run `npm start` again.',
    );
  }
  checkPython();
}

function checkPython() {
  const version = pythonVersion();
  const [major, minor] = version.split('.').map(Number);
  const [oldMajor, oldMinor] = OLDEST_PYTHON;
  if (major > oldMajor || (major === oldMajor && minor >= oldMinor)) return;
  throw new SetupError(
    `${PYTHON} is Python ${version}, and functions need ${OLDEST_PYTHON.join('.')} or newer: ` +
      'use a newer release of the distribution.',
  );
}

function pythonVersion() {
  try {
    return execFileSync(PYTHON, ['--version'], { encoding: 'utf8' })
      .replace(/^Python\s+/, '')
      .trim();
  } catch (cause) {
    if (cause.code !== 'ENOENT') throw cause;
    throw new SetupError(
      `There is no Python at ${PYTHON}: install the distribution's with ./quickstart/deps.sh.`,
      {
        cause,
      },
    );
  }
}
