import { spawn } from 'node:child_process';
import { chmod, lstat, readdir, unlink } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { refused } from './base.ts';

/** setuid, setgid, and what lets others than root change it: in a sandbox all is read-only, on the machine it is not. */
const POWERS = 0o6022;
const ALL_BITS = 0o7777;
const MAX_SAID = 2000;
/** GNU tar's; as root it would keep owners, and a user of the machine with such a number could change the image. */
const TAR = [
  '--extract',
  // To the very end of what is sent: so we are told where it breaks off.
  '--ignore-zeros',
  '--file=-',
  '--numeric-owner',
  '--no-same-owner',
  '--preserve-permissions',
  '--delay-directory-restore',
];

/**
 * Unpacks the archive of an image, which is anybody's, into the empty directory `base`. Nothing is written outside of it: tar drops
 * the root and `..` from names, and makes a link that leads out only when all else is there. Everything belongs to root, who
 * alone may change it, nothing is setuid, and there are no devices. Nobody else can look into it meanwhile. Throws ERR_BASE_IMAGE.
 */
export async function unpackImage(
  base: string,
  archive: Readable,
  source: string,
  signal?: AbortSignal,
): Promise<void> {
  await chmod(base, 0o700);
  await extract(base, archive, source, signal);
  await disarm(Buffer.from(base));
}

async function extract(base: string, archive: Readable, source: string, signal?: AbortSignal): Promise<void> {
  const words = [...TAR, '--anchored', '--exclude=./dev', '--exclude=dev', '--directory', base];
  const child = spawn('tar', words, {
    stdio: ['pipe', 'ignore', 'pipe'],
    ...(signal === undefined ? {} : { signal }),
  });
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-MAX_SAID);
  });
  child.on('error', (error: NodeJS.ErrnoException) =>
    reject(error.code === 'ENOENT' ? refused(source, 'tar is not installed', error) : error),
  );
  child.on('close', (code) =>
    code === 0 ? resolve() : reject(refused(source, lastLine(said) || `tar ended with ${code}`)),
  );
  const [, sent] = await Promise.allSettled([ended, pipeline(archive, child.stdin)]);
  await ended;
  if (sent.status === 'rejected')
    throw refused(source, `the archive breaks off: ${(sent.reason as Error).message}`, sent.reason);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** Takes from everything below what could give power to somebody on the machine. Follows no link. Names need not be text. */
async function disarm(dir: Buffer): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([dir, Buffer.from('/'), entry.name]);
    if (entry.isSymbolicLink()) continue;
    if (!entry.isDirectory() && !entry.isFile()) {
      await unlink(path); // a device, a FIFO, a socket
      continue;
    }
    const { mode } = await lstat(path);
    if ((mode & POWERS) !== 0) await chmod(path, mode & ALL_BITS & ~POWERS);
    if (entry.isDirectory()) await disarm(path);
  }
}
