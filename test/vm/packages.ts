import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What is wrong with this machine; the message is all that the user needs. */
export class VmError extends Error {
  override readonly name = 'VmError';
}

/** What the virtual machine is made from, as roots of unpacked packages. Nothing is installed on this machine. */
export interface Parts {
  readonly qemu: string;
  readonly busybox: string;
  readonly kernel: string;
}

/** Fetches with apt-get what is not in `cache` yet. */
export async function fetchParts(cache: string, say: (text: string) => void): Promise<Parts> {
  const parts = { qemu: join(cache, 'qemu'), busybox: join(cache, 'busybox'), kernel: join(cache, 'kernel') };
  if (Object.values(parts).every(existsSync)) return parts;
  say('fetching qemu, busybox and a kernel (some 90 MB)');
  await updateLists();
  await unpackOnce(parts.qemu, (debs) => apt(withDependencies('qemu-system-x86', debs), debs));
  await unpackOnce(parts.busybox, (debs) => apt(['download', 'busybox-static'], debs));
  await unpackOnce(parts.kernel, async (debs) => apt(['download', await newestKernel()], debs));
  return parts;
}

async function updateLists(): Promise<void> {
  if (process.arch !== 'x64')
    throw new VmError(`the virtual machine needs x86-64; this machine is ${process.arch}`);
  try {
    await run('apt-get', ['update', '--quiet']);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw aptError('apt-get update', cause);
    const what = 'the parts of the virtual machine are Debian packages, and this machine has no apt-get';
    throw new VmError(`${what}: run it on Debian`, { cause });
  }
}

/** The package and those that it needs and this machine does not have. */
function withDependencies(name: string, debs: string): string[] {
  const options = ['--yes', '--no-install-recommends', '--download-only', '--reinstall'];
  return ['install', ...options, '--option', `Dir::Cache::archives=${debs}`, name];
}

async function apt(args: readonly string[], cwd: string): Promise<void> {
  try {
    await run('apt-get', ['--quiet', ...args], { cwd });
  } catch (cause) {
    throw aptError(`apt-get ${args.join(' ')}`, cause);
  }
}

function aptError(command: string, cause: unknown): VmError {
  const { stderr, message } = cause as Error & { stderr?: string };
  return new VmError(`\`${command}\` failed: ${stderr?.trim() || message}`, { cause });
}

/** The package that Debian's `linux-image-amd64` stands for at present. */
async function newestKernel(): Promise<string> {
  const { stdout } = await run('apt-cache', ['depends', 'linux-image-amd64']);
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (name === undefined) throw new VmError('apt-cache knows no linux-image-amd64: run this on Debian');
  return name;
}

/** Fills `dir` with the content of the packages that `fetch` gets, all or nothing. */
async function unpackOnce(dir: string, fetch: (debs: string) => Promise<void>): Promise<void> {
  if (existsSync(dir)) return;
  const debs = `${dir}.debs.tmp`;
  const root = `${dir}.tmp`;
  for (const path of [debs, root]) {
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true });
  }
  await mkdir(join(debs, 'partial'));
  await fetch(debs);
  const files = (await readdir(debs)).filter((name) => name.endsWith('.deb'));
  for (const file of files) await run('dpkg-deb', ['--extract', join(debs, file), root]);
  await rename(root, dir);
  await rm(debs, { recursive: true });
}
