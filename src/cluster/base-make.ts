import { execFile } from 'node:child_process';
import { chmod, mkdir, readlink, realpath, stat, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import {
  checkDirectory,
  checkPython,
  kindOf,
  MOUNT_POINTS,
  refused,
  SYSTEM_DIRS,
  writeMarker,
} from './base.ts';
import { makeEtc, mendEtc } from './base-etc.ts';
import { unpackImage } from './base-unpack.ts';

const run = promisify(execFile);

/** What the user asked for with `--base`. */
export type BaseChoice =
  | { readonly kind: 'host' }
  | { readonly kind: 'dir'; readonly path: string }
  | { readonly kind: 'tar'; readonly path: string }
  | { readonly kind: 'docker'; readonly path: string };

/** Hands the files of a Docker image to `take`, as a tar archive: `exportImage` of the docker room, with a daemon. */
export type ExportImage = (image: string, take: (archive: Readable) => Promise<void>) => Promise<void>;

/** Reads `host`, `dir:<path>`, `docker:<image>` or the path of a tar archive. Throws ERR_BASE_IMAGE where there is no such thing. */
export async function parseBase(text: string): Promise<BaseChoice> {
  if (text === 'host') return { kind: 'host' };
  if (text.startsWith('dir:')) return { kind: 'dir', path: await sourceOf(text, text.slice(4), 'directory') };
  if (text.startsWith('docker:')) return { kind: 'docker', path: imageOf(text) };
  return { kind: 'tar', path: await sourceOf(text, text, 'archive') };
}

export interface MakeBaseOptions {
  readonly signal?: AbortSignal | undefined;
  /** Needed for `docker:<image>`. */
  readonly exportImage?: ExportImage | undefined;
}

/** Fills the empty directory `base` with a base image. Throws ERR_BASE_IMAGE, ERR_NO_PYTHON; may leave a part behind. */
export async function makeBase(
  base: string,
  choice: BaseChoice,
  { signal: abort, exportImage }: MakeBaseOptions = {},
): Promise<void> {
  if (choice.kind === 'host') {
    const binds = await makeSkeleton(base);
    await checkPython(base, 'host');
    return await writeMarker(base, 'host', binds);
  }
  if (choice.kind === 'dir') await copyTree(choice.path, base, abort);
  else if (choice.kind === 'docker') await dump(choice.path, base, exportImage, abort);
  else await unpack(choice.path, base, abort);
  await mend(base, choice.path);
  await checkPython(base, choice.kind, choice.path);
  await writeMarker(base, choice.kind, []);
}

/** Makes the skeleton of a `host` image; returns the directories that have to be bound into it. */
export async function makeSkeleton(base: string, root = '/'): Promise<string[]> {
  for (const name of [...MOUNT_POINTS, 'run']) await emptyDir(join(base, name));
  const binds: string[] = [];
  for (const name of SYSTEM_DIRS) {
    const kind = await kindOf(join(root, name));
    if (kind === 'link') await symlink(await readlink(join(root, name)), join(base, name));
    if (kind !== 'directory') continue;
    await emptyDir(join(base, name));
    binds.push(name);
  }
  await makeEtc(base, join(root, 'etc'));
  return binds;
}

/** Adds to a foreign image what a sandbox needs. Where the image has links in the place of directories, it is refused. */
async function mend(base: string, source: string): Promise<void> {
  await chmod(base, 0o755);
  for (const name of [...MOUNT_POINTS, 'etc']) {
    if ((await kindOf(join(base, name))) === null) await emptyDir(join(base, name));
    await checkDirectory(base, name, source);
  }
  await mendEtc(base);
}

async function emptyDir(path: string): Promise<void> {
  await mkdir(path);
  await chmod(path, 0o755);
}

async function copyTree(from: string, base: string, abort?: AbortSignal): Promise<void> {
  const source = await realpath(from);
  if (`${await realpath(base)}/`.startsWith(source === '/' ? '/' : `${source}/`)) {
    throw refused(from, 'the new cluster would lie inside it: make the cluster elsewhere');
  }
  // -x: not into other file systems that are mounted there (/proc of a chroot that is in use, for one).
  await tool('cp', ['-a', '-x', '--reflink=auto', '-T', '--', source, base], from, abort);
}

async function unpack(from: string, base: string, abort?: AbortSignal): Promise<void> {
  await tool('tar', ['--numeric-owner', '-xpf', from, '-C', base], from, abort);
}

async function dump(
  image: string,
  base: string,
  exportImage: ExportImage | undefined,
  abort?: AbortSignal,
): Promise<void> {
  if (exportImage === undefined) throw refused(`docker:${image}`, 'there is nobody to ask for it');
  await exportImage(image, (archive) => unpackImage(base, archive, `docker:${image}`, abort));
}

function imageOf(text: string): string {
  const image = text.slice('docker:'.length);
  if (image !== '') return image;
  throw refused(text, 'no image is named: give docker:<image>');
}

async function tool(name: string, args: string[], source: string, signal?: AbortSignal): Promise<void> {
  try {
    await run(name, args, { maxBuffer: 16 * 1024 * 1024, ...(signal === undefined ? {} : { signal }) });
  } catch (cause) {
    const { code, stderr } = cause as { code?: string | number; stderr?: string };
    if (code === 'ABORT_ERR') throw cause;
    const said = stderr?.trim().split('\n').at(-1);
    const reason = code === 'ENOENT' ? `${name} is not installed` : said || `${name} ended with ${code}`;
    throw refused(source, reason, cause);
  }
}

async function sourceOf(text: string, path: string, kind: 'directory' | 'archive'): Promise<string> {
  const full = resolve(path);
  const found = path === '' ? null : await stat(full).catch(missing);
  const fits = kind === 'directory' ? found?.isDirectory() : found?.isFile();
  if (fits) return full;
  throw refused(
    text,
    `there is no such ${kind}: give host, dir:<path>, docker:<image>, or the path of a tar archive`,
  );
}

function missing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw error;
}
