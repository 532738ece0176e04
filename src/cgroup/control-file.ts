import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { OlError } from '../errors.ts';

/** Larger than any control file that is read into it, save for lists of pids. */
const BUFFER_BYTES = 4096;
// Reading and parsing happen without a break in between, so one buffer serves all.
const buffer = Buffer.allocUnsafe(BUFFER_BYTES);

// Not Node's 'w': that asks the kernel to make the file, and what is missing would be EACCES and not ENOENT.
const FLAGS = { read: constants.O_RDONLY, write: constants.O_WRONLY, both: constants.O_RDWR };
type Use = keyof typeof FLAGS;

const ZERO = 0x30;
const NINE = 0x39;

/**
 * A file of a cgroup that is kept open: reading it takes a microsecond or two, where opening it each time takes eight.
 * Descriptors are scarce with thousands of sandboxes, so only what is used in every request is kept open.
 */
export class ControlFile {
  readonly path: string;
  #fd: number;

  constructor(path: string, use: Use) {
    this.path = path;
    this.#fd = openControl(path, use);
  }

  write(text: Buffer): void {
    // A closed descriptor's number may mean another file by now.
    attempt('write', this.path, () => writeSync(this.#open, text, 0, text.length, 0));
  }

  /** The number that the file begins with, or what comes after so many characters. */
  readNumber(after = 0): number {
    return parseNumber(after, this.#read());
  }

  startsWith(text: Buffer): boolean {
    return this.#read() >= text.length && buffer.compare(text, 0, text.length, 0, text.length) === 0;
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  get #open(): number {
    if (this.#fd >= 0) return this.#fd;
    throw new OlError('ERR_CGROUP', { action: 'using it after destroy', path: this.path, errno: 'EBADF' });
  }

  #read(): number {
    return attempt('read', this.path, () => readSync(this.#open, buffer, 0, BUFFER_BYTES, 0));
  }
}

function parseNumber(start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) {
    const byte = buffer[at] ?? 0;
    if (byte < ZERO || byte > NINE) break;
    value = value * 10 + byte - ZERO;
  }
  return value;
}

/** Writes to a file of a cgroup. */
export function writeControl(path: string, text: string): void {
  using(path, 'write', (fd) => writeSync(fd, text));
}

/** The whole of a file of a cgroup. */
export function readControl(path: string): string {
  return using(path, 'read', (fd) => {
    let text = '';
    for (;;) {
      const length = readSync(fd, buffer, 0, BUFFER_BYTES, null);
      if (length === 0) return text;
      text += buffer.toString('latin1', 0, length);
    }
  });
}

/** The number after `key` in a file of lines `key number`; 0 where the kernel does not have the key. */
export function readKey(path: string, key: string): number {
  const line = readControl(path)
    .split('\n')
    .find((one) => one.startsWith(`${key} `));
  return Number(line?.slice(key.length + 1) ?? 0);
}

/** The pids in a cgroup; none where it has been removed. Opened anew: v1 answers from a list of up to a second ago on a descriptor that is kept. */
export function readPids(dir: string): number[] {
  let text = '';
  ifThere(() => {
    text = readControl(`${dir}/cgroup.procs`);
  });
  return text.split('\n').filter(Boolean).map(Number);
}

/** The descriptor of a file or directory of a cgroup. The caller closes it. */
export function openControl(path: string, use: Use): number {
  return attempt('open', path, () => openSync(path, FLAGS[use]));
}

function using<T>(path: string, use: 'read' | 'write', action: (fd: number) => T): T {
  const fd = openControl(path, use);
  try {
    return attempt(use, path, () => action(fd));
  } finally {
    closeSync(fd);
  }
}

/** Runs one system call on a cgroup, and gives its failure a name. */
export function attempt<T>(action: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw cgroupError(action, path, error);
  }
}

/** Does something with a cgroup that may have been removed meanwhile. */
export function ifThere(action: () => void): void {
  try {
    action();
  } catch (error) {
    // ENODEV: it went between opening the file and using it.
    if (!['ENOENT', 'ENODEV'].includes(errnoOf(error) ?? '')) throw error;
  }
}

/** A failed system call as ERR_CGROUP; any other error as it is. */
export function cgroupError(action: string, path: string, error: unknown): unknown {
  const errno = errnoOf(error);
  return errno === null || error instanceof OlError
    ? error
    : new OlError('ERR_CGROUP', { action, path, errno }, { cause: error });
}

/** The errno's name of a failed system call, also of one that is an ERR_CGROUP by now. */
export function errnoOf(error: unknown): string | null {
  if (error instanceof OlError) return error.code === 'ERR_CGROUP' ? String(error.fields.errno) : null;
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return syscall === undefined || code === undefined ? null : code;
}
