/**
 * `npm run test:vm`: runs the contract and integration suites in a virtual machine like the users' machines: Debian's own
 * kernel, and cgroup v2 with all controllers. Arguments are given to vitest in there; after `--bench`, they are names of
 * benchmarks to run instead, and after `--exec`, any command.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseAccelerator } from './accelerator.ts';
import { makeInitramfs } from './initramfs.ts';
import { fetchParts, VmError } from './packages.ts';
import { type Accelerator, boot } from './qemu.ts';

const CHECKOUT = join(import.meta.dirname, '../..');
const CACHE = join(CHECKOUT, '.cache/vm');
const SUITES = ['test/contract', 'test/integration'];

/** How many times longer than on this machine things may take. */
const SLOWNESS = { kvm: 2, tcg: 20 };

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function commandFor(args: readonly string[], accelerator: Accelerator): string[] {
  const [kind, ...rest] = args;
  if (kind === '--exec') return rest;
  // What is written is gone with the machine, and its figures are not this machine's.
  if (kind === '--bench') return [process.execPath, 'bench/run.ts', '--no-write', ...rest];
  const tests = args.length > 0 ? args : SUITES;
  const slowness = `OL_TEST_SLOWNESS=${SLOWNESS[accelerator]}`;
  return ['/usr/bin/env', slowness, process.execPath, 'test/run.ts', ...tests];
}

async function main(args: readonly string[]): Promise<number> {
  const parts = await fetchParts(CACHE, say);
  const dir = await mkdtemp(join(tmpdir(), 'openlambda-vm-'));
  const make = (name: string, argv: readonly string[]) =>
    makeInitramfs(parts, join(dir, name), { argv, checkout: CHECKOUT });
  try {
    say('starting the virtual machine, which takes some seconds');
    const accelerator = await chooseAccelerator(parts.qemu, await make('nothing', ['/bin/true']), say);
    const machine = await make('machine', commandFor(args, accelerator));
    const print = (line: string) => process.stdout.write(`${line}\n`);
    const status = await boot(parts.qemu, machine, { accelerator, print, complain: say });
    if (status === null)
      throw new VmError('the virtual machine ended before its command did: see its last lines');
    return status;
  } finally {
    await rm(dir, { recursive: true });
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof VmError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
