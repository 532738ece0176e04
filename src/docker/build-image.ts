import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { MOUNT_POINTS } from '../cluster/base.ts';
import { makeEtc } from '../cluster/base-etc.ts';
import { OlError } from '../errors.ts';
import { asked, type Daemon, isMissing } from './client.ts';

const PYTHON = '/usr/bin/python3';
const CLOSURE = fileURLToPath(new URL('closure.py', import.meta.url));
/** Of what a step of a build says, for messages. */
const MAX_SAID = 2000;

/** Told each line of what the daemon says meanwhile. */
export type OnLine = (line: string) => void;

/**
 * Makes an image of the machine's own Python and what that needs to run: no registry has to be in reach. Throws ERR_NO_PYTHON,
 * ERR_DOCKER_BUILD, and what `asked` throws.
 */
export async function importMachine(daemon: Daemon, image: string): Promise<void> {
  const skeleton = await mkdtemp(join(tmpdir(), 'openlambda-image-'));
  try {
    for (const name of [...MOUNT_POINTS, 'runtime']) await mkdir(join(skeleton, name));
    await makeEtc(skeleton);
    const closure = startClosure(skeleton);
    const { repo, tag } = splitName(image);
    const imported = asked(daemon, 'importing an image', async () => {
      const answer = await daemon.docker.importImage(closure.stdout, { repo, tag });
      await follow(daemon, answer as Readable, image, () => {});
    });
    // Where the archive breaks off, that is the reason why the import fails, and the better thing to tell.
    const [read, made] = await Promise.allSettled([closure.ended, imported]);
    for (const one of [read, made]) if (one.status === 'rejected') throw one.reason;
  } finally {
    await rm(skeleton, { recursive: true });
  }
}

/** Builds an image as a Dockerfile says, with the directory that it is in. Throws ERR_DOCKER_BUILD, and what `asked` throws. */
export async function buildImage(
  daemon: Daemon,
  image: string,
  dockerfile: string,
  onLine: OnLine,
): Promise<void> {
  const path = resolve(dockerfile);
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new OlError(
      'ERR_DOCKER_BUILD',
      { image, reason: `${dockerfile}: ${error.code}` },
      { cause: error },
    );
  });
  if (!found.isFile())
    throw new OlError('ERR_DOCKER_BUILD', { image, reason: `${dockerfile} is not a file` });
  const { create } = await import('tar');
  const context = create({ cwd: dirname(path), portable: true }, ['.']) as unknown as NodeJS.ReadableStream;
  await asked(daemon, 'building an image', async () => {
    const options = { t: image, dockerfile: basename(path), rm: true, forcerm: true };
    const answer = await daemon.docker.buildImage(context, options);
    await follow(daemon, answer as Readable, image, onLine);
  });
}

/** True where the daemon has an image of this name. */
export async function hasImage(daemon: Daemon, image: string): Promise<boolean> {
  try {
    await asked(daemon, `looking for the image ${image}`, () => daemon.docker.getImage(image).inspect());
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function startClosure(skeleton: string) {
  const child = spawn(PYTHON, ['-I', CLOSURE, skeleton], { stdio: ['ignore', 'pipe', 'pipe'] });
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-MAX_SAID);
  });
  const refuse = (reason: string, cause?: unknown) =>
    reject(new OlError('ERR_NO_PYTHON', { path: PYTHON, reason }, { cause }));
  child.on('error', (error) => refuse(error.message, error));
  child.on('close', (code) => (code === 0 ? resolve() : refuse(said.trim() || `it ended with ${code}`)));
  return { stdout: child.stdout, ended };
}

/** Reads what the daemon says to its end. Errors come in there, with the status 200 before them. */
async function follow(daemon: Daemon, answer: Readable, image: string, onLine: OnLine): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const refuse = (reason: string, cause?: unknown) =>
    reject(new OlError('ERR_DOCKER_BUILD', { image, reason }, { cause }));
  let said = '';
  daemon.docker.modem.followProgress(
    answer,
    (error) => (error === null || error === undefined ? resolve() : refuse(error.message, error)),
    ({ stream, error }: { stream?: string; error?: string }) => {
      if (stream !== undefined && stream.trim() !== '') {
        said = (said + stream).slice(-MAX_SAID);
        onLine(stream.trimEnd());
      }
      if (error !== undefined) refuse(lastLines(`${said}\n${error}`));
    },
  );
  await promise;
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' | ');
}

/** `host:5000/name:tag`: what comes after the last slash may have a tag. */
function splitName(image: string): { repo: string; tag: string } {
  const colon = image.lastIndexOf(':');
  return colon > image.lastIndexOf('/')
    ? { repo: image.slice(0, colon), tag: image.slice(colon + 1) }
    : { repo: image, tag: 'latest' };
}
