import { isOlError } from '../errors.ts';
import { IN, Inotify, type InotifyEvent } from '../linux/inotify.ts';
import { isSkipped } from './skip.ts';

/** Told of each change of what it watches. A mask with IN.Q_OVERFLOW means: anything may have changed. */
export interface Watcher {
  changed(mask: number): void;
}

const CHANGES =
  IN.MODIFY |
  IN.ATTRIB |
  IN.CLOSE_WRITE |
  IN.MOVED_FROM |
  IN.MOVED_TO |
  IN.CREATE |
  IN.DELETE |
  IN.DELETE_SELF |
  IN.MOVE_SELF |
  IN.EXCL_UNLINK;

/** Who watches what, over one inotify descriptor. Two functions may watch one directory, through links to it. */
export class Watches {
  readonly #inotify = new Inotify();
  readonly #watchers = new Map<number, Set<Watcher>>();

  /** Returns the watch, or null where the kernel grants no more of them (`fs.inotify.max_user_watches`). */
  add(path: string, watcher: Watcher): number | null {
    const wd = this.#watch(path);
    if (wd === null) return null;
    const watchers = this.#watchers.get(wd);
    if (watchers) watchers.add(watcher);
    else this.#watchers.set(wd, new Set([watcher]));
    return wd;
  }

  /** Ends a watcher's interest; the last one takes the watch with it. */
  remove(wd: number, watcher: Watcher): void {
    const watchers = this.#watchers.get(wd);
    watchers?.delete(watcher);
    if (watchers?.size !== 0) return;
    this.#watchers.delete(wd);
    this.#inotify.unwatch(wd);
  }

  /** Tells the watchers of every change that ended before this call. */
  drain(): void {
    for (const event of this.#inotify.drain()) {
      if (event.mask & IN.Q_OVERFLOW) this.#tellAll(event.mask);
      else this.#tell(event);
    }
  }

  close(): void {
    this.#inotify.close();
  }

  #watch(path: string): number | null {
    try {
      return this.#inotify.watch(path, CHANGES);
    } catch (error) {
      if (isOlError(error, 'ERR_SYSCALL') && error.fields.errno === 'ENOSPC') return null;
      throw error;
    }
  }

  #tell({ wd, mask, name }: InotifyEvent): void {
    const watchers = this.#watchers.get(wd);
    // The numbers of watches are not used again, so that what is late for a removed one meets nobody.
    if (mask & IN.IGNORED) this.#watchers.delete(wd);
    if (!watchers || isSkipped(name)) return;
    for (const watcher of watchers) watcher.changed(mask);
  }

  #tellAll(mask: number): void {
    const all = new Set([...this.#watchers.values()].flatMap((watchers) => [...watchers]));
    for (const watcher of all) watcher.changed(mask);
  }
}

/** The watches of one function: renewed with each reading of it, complete or not. */
export class WatchSet {
  readonly #watches: Watches;
  readonly #watcher: Watcher;
  #old = new Set<number>();
  #new = new Set<number>();
  #complete = false;

  constructor(watches: Watches, watcher: Watcher) {
    this.#watches = watches;
    this.#watcher = watcher;
  }

  /** False where a change could go unnoticed: not every directory could be watched. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Starts anew; the watches that are there stay until `end`. */
  begin(): void {
    for (const wd of this.#new) this.#old.add(wd);
    this.#new = new Set();
    this.#complete = true;
  }

  add(path: string): void {
    const wd = this.#watches.add(path, this.#watcher);
    if (wd === null) this.#complete = false;
    else this.#new.add(wd);
  }

  /** Ends the watches that were not added again. */
  end(): void {
    for (const wd of this.#old) if (!this.#new.has(wd)) this.#watches.remove(wd, this.#watcher);
    this.#old = new Set();
  }

  clear(): void {
    this.begin();
    this.end();
    this.#complete = false;
  }
}
