import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PYTHON } from './machine.mjs';

const run = promisify(execFile);
const ALWAYS = ['--quiet', '--disable-pip-version-check', '--no-input'];
/** Built packages alone, each with the hash that the checkout names: nothing that is fetched is run. */
const PINNED = ['--require-hashes', '--no-deps', '--only-binary', ':all:'];

/**
 * Runs the distribution's pip, which knows the machine's index: `what` is `install` or `download`, of the packages that the
 * file `pin` names. `patience` says how often and for how many seconds the index is waited for.
 */
export async function runPip(what, pin, patience, args) {
  const wait = ['--retries', String(patience.retries), '--timeout', String(patience.seconds)];
  const wanted = ['--requirement', pin, ...PINNED, ...args];
  await run(PYTHON, ['-m', 'pip', what, ...ALWAYS, ...wait, ...wanted], { maxBuffer: 2 ** 26 });
}
