import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { chmod, cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { type Parts, VmError } from './packages.ts';

const run = promisify(execFile);

/** The drivers of the disk, each after those that it needs. */
const MODULES = [
  ...['netfs', 'fscache', '9pnet', 'virtio_ring', 'virtio', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev'],
  ...['virtio_pci', '9pnet_virtio', '9p', 'overlay'],
];

export interface Boot {
  readonly kernel: string;
  readonly initramfs: string;
}

/** Makes what the kernel starts from, in `dir`; in there is the command that the machine is to run. */
export async function makeInitramfs(
  { busybox, kernel }: Parts,
  dir: string,
  { argv, checkout }: { readonly argv: readonly string[]; readonly checkout: string },
): Promise<Boot> {
  const image = await findKernel(kernel);
  const modules = join(kernel, 'lib/modules', image.version);
  const tool = join(busybox, 'bin/busybox');
  const tree = join(dir, 'tree');
  await mkdir(join(tree, 'bin'), { recursive: true });
  await mkdir(join(tree, 'modules'));
  await cp(tool, join(tree, 'bin/busybox'));
  await cp(join(import.meta.dirname, 'init.sh'), join(tree, 'init'));
  await chmod(join(tree, 'init'), 0o755);
  await writeFile(join(tree, 'checkout'), checkout);
  await writeFile(join(tree, 'argv'), argv.map((one) => `${one}\0`).join(''));
  await addModules(modules, join(tree, 'modules'));
  await run(tool, ['depmod', '-b', kernel, image.version]);
  const initramfs = join(dir, 'initramfs');
  await pack(tool, tree, initramfs);
  return { kernel: image.path, initramfs };
}

async function findKernel(root: string): Promise<{ path: string; version: string }> {
  const name = (await readdir(join(root, 'boot'))).find((one) => one.startsWith('vmlinuz-'));
  if (name === undefined) throw new VmError(`there is no kernel in ${root}: remove it and try again`);
  return { path: join(root, 'boot', name), version: name.slice('vmlinuz-'.length) };
}

async function addModules(from: string, to: string): Promise<void> {
  const all = await readdir(from, { recursive: true });
  const order: string[] = [];
  for (const name of MODULES) {
    const file = all.find((path) => basename(path) === `${name}.ko`);
    if (file === undefined) throw new VmError(`the kernel in ${from} has no module ${name}`);
    await cp(join(from, file), join(to, `${name}.ko`));
    order.push(`${name}.ko\n`);
  }
  await writeFile(join(to, 'order'), order.join(''));
}

/** An archive in the only form that the kernel reads. */
async function pack(busybox: string, tree: string, to: string): Promise<void> {
  const files = (await readdir(tree, { recursive: true })).join('\n');
  const cpio = spawn(busybox, ['cpio', '-o', '-H', 'newc'], { cwd: tree, stdio: ['pipe', 'pipe', 'ignore'] });
  const exit = once(cpio, 'exit');
  cpio.stdin.end(files);
  await pipeline(cpio.stdout, createWriteStream(to));
  const [code] = await exit;
  if (code !== 0) throw new VmError(`busybox cpio ended with ${code}`);
}
