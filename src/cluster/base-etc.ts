import { chmod, copyFile, mkdir, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { kindOf } from './base.ts';

/**
 * The image's /etc. A sandbox needs to resolve names, accounts, libraries and certificates; it is to learn nothing of
 * the machine's own users and secrets. So there is a list of what is copied, and only what everybody may read is.
 */
const OWN_FILES: Readonly<Record<string, string>> = {
  passwd:
    'root:x:0:0:root:/tmp:/usr/sbin/nologin\n' +
    'sandbox:x:1000:1000:sandbox:/tmp:/bin/sh\n' +
    'nobody:x:65534:65534:nobody:/tmp:/usr/sbin/nologin\n',
  group: 'root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n',
  hosts: '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.0.1 sandbox\n',
  hostname: 'sandbox\n',
  'host.conf': 'multi on\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
  'resolv.conf': '# No nameservers: the only network of a sandbox is its loopback.\n',
};

/** These say what the sandbox's network is, so an image's own are wrong whatever they hold. */
const ALWAYS_OURS = ['resolv.conf', 'hosts', 'hostname'];

/** Copied from the machine where they exist, links followed, directories whole. */
const COPIED = [
  'services',
  'protocols',
  'mime.types',
  'localtime',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  // Certificates, as Debian, Fedora and SUSE have them. Their neighbours `private` hold keys: never a whole directory.
  'ssl/certs',
  'ssl/cert.pem',
  'ssl/openssl.cnf',
  'pki/tls/certs',
  'pki/tls/cert.pem',
  'pki/tls/openssl.cnf',
  'pki/ca-trust/extracted',
  'crypto-policies/back-ends',
] as const;

/** Makes `etc` in the image at `base` from the machine's `etc` at `from`. */
export async function makeEtc(base: string, from = '/etc'): Promise<void> {
  const etc = join(base, 'etc');
  await makePublicDir(etc);
  for (const [name, text] of Object.entries(OWN_FILES)) await writePublic(join(etc, name), text);
  // Debian's Python has its site customisation there.
  const pythons = (await readdir(from)).filter((name) => /^python3(\.\d+)?$/.test(name));
  for (const name of [...COPIED, ...pythons]) await copyPublic(join(from, name), join(etc, name));
  await copyLinks(join(from, 'alternatives'), join(etc, 'alternatives'));
}

/** Adds what an image's own `etc` lacks, and makes its names those of a sandbox. Follows no link in the image. */
export async function mendEtc(base: string): Promise<void> {
  const etc = join(base, 'etc');
  for (const [name, text] of Object.entries(OWN_FILES)) {
    const path = join(etc, name);
    if (ALWAYS_OURS.includes(name)) await rm(path, { recursive: true, force: true });
    else if ((await kindOf(path)) !== null) continue;
    await writePublic(path, text);
  }
}

async function makePublicDir(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o755);
}

/** The umask may be strict, a sandbox's user has to read it all the same. `wx` writes through no link. */
async function writePublic(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: 'wx' });
  await chmod(path, 0o644);
}

async function copyPublic(from: string, to: string): Promise<void> {
  const found = await stat(from).catch(missing);
  if (found === null || (found.mode & 0o004) === 0) return;
  if (found.isDirectory()) {
    const names = await readdir(from);
    await Promise.all(names.map((name) => copyPublic(join(from, name), join(to, name))));
  } else if (found.isFile()) {
    await makeParents(to);
    await copyFile(from, to);
    await chmod(to, 0o644);
  }
}

async function copyLinks(from: string, to: string): Promise<void> {
  const names = await readdir(from).catch(missing);
  if (names === null) return;
  await makePublicDir(to);
  const copy = async (name: string) => {
    const path = join(from, name);
    if ((await kindOf(path)) === 'link') await symlink(await readlink(path), join(to, name));
  };
  await Promise.all(names.map(copy));
}

async function makeParents(path: string): Promise<void> {
  const dir = dirname(path);
  const first = await mkdir(dir, { recursive: true });
  if (first === undefined) return;
  for (let made = dir; made.length >= first.length; made = dirname(made)) await chmod(made, 0o755);
}

/** A link that leads nowhere is as good as no file. */
function missing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw error;
}
