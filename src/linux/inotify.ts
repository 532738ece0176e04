import { closeSync } from 'node:fs';
import { OlError } from '../errors.ts';
import { check, errnoName, libc } from './libc.ts';

/** What inotify can tell, and how to ask for it (linux/inotify.h). */
export const IN = {
  MODIFY: 0x2,
  ATTRIB: 0x4,
  CLOSE_WRITE: 0x8,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  /** Events were lost; `wd` is -1. */
  Q_OVERFLOW: 0x4000,
  /** The watch is gone: removed, or what it was on is. */
  IGNORED: 0x8000,
  /** Nothing about files that are deleted and only open still. */
  EXCL_UNLINK: 0x4000000,
} as const;

/** One change: the watch it belongs to, what happened, and the name inside the watched directory (or ''). */
export interface InotifyEvent {
  readonly wd: number;
  readonly mask: number;
  readonly name: string;
}

const inotifyInit: (flags: number) => number = libc('int inotify_init1(int flags)');
const addWatch: (fd: number, path: string, mask: number) => number = libc(
  'int inotify_add_watch(int fd, const char *path, uint32_t mask)',
);
const removeWatch: (fd: number, wd: number) => number = libc('int inotify_rm_watch(int fd, int wd)');
const read: (fd: number, buffer: Buffer, size: number) => number = libc(
  'long read(int fd, _Out_ void *buffer, size_t size)',
);

const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;
const BUFFER_BYTES = 64 * 1024;
/** struct inotify_event: wd, mask, cookie, len, each of 32 bits, then the name, filled up with zeros to `len`. */
const HEADER_BYTES = 16;
const EVENT_MAX_BYTES = HEADER_BYTES + 256;
const NOTHING: readonly InotifyEvent[] = [];

/**
 * One inotify descriptor, read when somebody asks and not when the event loop gets to it: the kernel queues an event
 * before the system call that caused it returns, so `drain` knows of every change that ended before it was called.
 */
export class Inotify {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #open = true;

  /** Throws ERR_SYSCALL; EMFILE names the setting that bounds the descriptors of a user. */
  constructor() {
    const target = '/proc/sys/fs/inotify/max_user_instances';
    this.#fd = check(inotifyInit(IN_NONBLOCK | IN_CLOEXEC), 'inotify_init1', target);
  }

  /** Watches a path, symlinks followed, and returns the watch: the same one for the same inode. Throws ERR_SYSCALL. */
  watch(path: string, mask: number): number {
    return check(addWatch(this.#fd, path, mask >>> 0), 'inotify_add_watch', path);
  }

  /** Ends a watch. One that the kernel has dropped with its directory is no error. */
  unwatch(wd: number): void {
    if (removeWatch(this.#fd, wd) < 0 && errnoName() !== 'EINVAL') check(-1, 'inotify_rm_watch', wd);
  }

  /** What has changed since the last call. One read(2), half a microsecond, where nothing has. Throws ERR_SYSCALL. */
  drain(): readonly InotifyEvent[] {
    let events: InotifyEvent[] | null = null;
    for (;;) {
      const size = this.#read();
      if (size === 0) return events ?? NOTHING;
      events ??= [];
      parseEvents(this.#buffer.subarray(0, size), events);
      // The kernel stops at the first event that does not fit: room for one more means that there was none.
      if (size <= BUFFER_BYTES - EVENT_MAX_BYTES) return events;
    }
  }

  /** Gives the descriptor and its watches back. May be called more than once. */
  close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }

  #read(): number {
    // A number that was closed may be somebody else's file by now.
    if (!this.#open) throw new OlError('ERR_SYSCALL', { call: 'read', errno: 'EBADF', target: 'inotify' });
    const size = read(this.#fd, this.#buffer, BUFFER_BYTES);
    if (size < 0 && errnoName() === 'EAGAIN') return 0;
    return check(size, 'read', 'inotify');
  }
}

/** Adds the events of a filled part of the buffer to a list. Little-endian, as x86-64 and arm64 are. */
export function parseEvents(buffer: Buffer, events: InotifyEvent[]): void {
  for (let at = 0; at < buffer.length; ) {
    const start = at + HEADER_BYTES;
    const end = start + buffer.readUInt32LE(at + 12);
    const zero = buffer.indexOf(0, start);
    const nameEnd = zero < 0 || zero > end ? end : zero;
    events.push({
      wd: buffer.readInt32LE(at),
      mask: buffer.readUInt32LE(at + 4),
      name: buffer.toString('utf8', start, nameEnd),
    });
    at = end;
  }
}
