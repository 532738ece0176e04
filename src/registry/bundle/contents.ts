import { HANDLER_FILE } from '../handler-file.ts';
import type { CodeLimits } from '../limits.ts';
import { whyLinkRefused } from '../links.ts';
import { isSkipped } from '../skip.ts';
import { byPath, type Item } from '../version.ts';
import { checkText, stepsOf } from './names.ts';
import { Refused, shown } from './refused.ts';
import type { TarEntry } from './tar-reader.ts';

/** What is to be done for an entry, in this order. */
export interface Admitted {
  /** Directories on the way that are not there yet. */
  readonly directories: readonly string[];
  /** Null for an entry that is left out, or is there already. */
  readonly item: Item | null;
  /** The file that this one is a copy of: the entry was a hard link. */
  readonly from: string | null;
}

const [SETUID, SETGID, EXECUTE] = [0o4000, 0o2000, 0o111];
/** As many links as the kernel follows before it gives up. */
const MAX_LINKS = 40;

const OTHER_TYPES: Readonly<Record<string, string>> = {
  '3': 'a device',
  '4': 'a device',
  '6': 'a FIFO',
  S: 'a sparse file (pack it without --sparse)',
};

/**
 * What is in a bundle, entry by entry; refuses what no function may hold. It only decides: nothing is read or written.
 *
 * The invariant that makes writing safe: each item's path has nothing but directories of this bundle above it, and no
 * path is there twice. So no name on the way is ever a link.
 */
export class Contents {
  readonly #limits: CodeLimits;
  readonly #items = new Map<string, Item>();
  /** Names that had an entry of their own, the top as an empty one. */
  readonly #named = new Set<string>();
  readonly #sizes = new Map<string, number>();
  /** The files that others, by their paths, are copies of. */
  readonly #origins = new Map<string, string>();
  #entries = 0;
  #bytes = 0;

  constructor(limits: CodeLimits) {
    this.#limits = limits;
  }

  /** What all files hold, those that are left out included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the next entry in. Throws Refused. */
  admit(entry: TarEntry): Admitted {
    this.#entries += 1;
    this.#checkCount(this.#entries);
    const steps = stepsOf(entry.name);
    const skipped = steps.findIndex(isSkipped);
    // As in a copy of a directory: what leads to something that is left out is there.
    if (skipped >= 0)
      return { directories: this.#parents(steps.slice(0, skipped + 1)), item: null, from: null };
    const directories = this.#parents(steps);
    const { item, from } = this.#describe(entry, steps.join('/'));
    return { directories, item: this.#add(item, entry), from };
  }

  /** All that was taken in, in the order of the paths. Throws Refused where there is no `lambda_func.py`. */
  finish(): readonly Item[] {
    if (this.resolve(HANDLER_FILE) === null) throw this.#noHandler();
    return [...this.#items.values()].sort(byPath);
  }

  /** The path of the entry with the content that a path leads to, links followed; null where it leads to no file. */
  resolve(path: string): string | null {
    const todo = path.split('/').reverse();
    let done: string[] = [];
    for (let links = 0; links <= MAX_LINKS; ) {
      const step = todo.pop();
      if (step === undefined) break;
      if (step === '' || step === '.') continue;
      if (step === '..') {
        done.pop();
        continue;
      }
      const item = this.#items.get([...done, step].join('/'));
      if (item?.kind === 'link') {
        links += 1;
        todo.push(...item.target.split('/').reverse());
      } else done = [...done, step];
    }
    const found = this.#items.get(done.join('/'));
    if (todo.length > 0 || found?.kind !== 'file') return null;
    return this.#origins.get(found.path) ?? found.path;
  }

  #describe(entry: TarEntry, path: string): { item: Item; from: string | null } {
    const { type, name, mode, size } = entry;
    const other = OTHER_TYPES[type];
    if (other !== undefined) throw new Refused(name, `is ${other}: keep only files in it`);
    if ((mode & SETUID) !== 0 || ((mode & SETGID) !== 0 && type !== '5')) {
      throw new Refused(name, 'has a set-user-id or set-group-id bit: remove it with `chmod ug-s`');
    }
    if (type === '0') return { item: this.#file(entry, path), from: null };
    if (size !== 0) throw new Refused(name, 'has a content, and is no file: pack it again');
    if (type === '5') return { item: { kind: 'directory', path }, from: null };
    if (type === '2') return { item: link(entry, path), from: null };
    if (type === '1') return this.#copy(entry, path);
    throw new Refused(name, `is of a kind that functions have no use for ('${type}'): keep only files in it`);
  }

  #file({ name, mode, size }: TarEntry, path: string): Item {
    if (name.endsWith('/') || path === '')
      throw new Refused(name, "is a file with a directory's name: pack it again");
    this.#count(path, size);
    return { kind: 'file', path, executable: (mode & EXECUTE) !== 0 };
  }

  /** A hard link is a second name of a file. The copy has two files, as one of a directory has. */
  #copy({ name, target }: TarEntry, path: string): { item: Item; from: string } {
    const to = this.#stepsOfTarget(name, target).join('/');
    const item = this.#items.get(to);
    if (item?.kind !== 'file' || to === path) {
      const reason = `is a hard link to what is no file before it in the bundle (to ${shown(target)}): copy the file instead`;
      throw new Refused(name, reason);
    }
    const from = this.#origins.get(to) ?? to;
    this.#origins.set(path, from);
    this.#count(path, this.#sizes.get(from) ?? 0);
    return { item: { ...item, path }, from };
  }

  #stepsOfTarget(name: string, target: string): readonly string[] {
    try {
      return stepsOf(target);
    } catch (cause) {
      if (!(cause instanceof Refused)) throw cause;
      const reason = `is a hard link, and what it links to (${shown(target)}) ${cause.reason}`;
      throw new Refused(name, reason, { cause });
    }
  }

  #add(item: Item, { name }: TarEntry): Item | null {
    const { path, kind } = item;
    const there = path === '' ? ({ kind: 'directory' } as const) : this.#items.get(path);
    // A directory may be told after what is in it.
    if (this.#named.has(path) || (there && (there.kind !== 'directory' || kind !== 'directory'))) {
      throw new Refused(name, 'is there twice: pack it again, each name once');
    }
    this.#named.add(path);
    if (there) return null;
    this.#put(item);
    return item;
  }

  #parents(steps: readonly string[]): string[] {
    const made: string[] = [];
    for (let depth = 1; depth < steps.length; depth += 1) {
      const path = steps.slice(0, depth).join('/');
      const there = this.#items.get(path);
      if (there && there.kind !== 'directory') {
        throw new Refused(steps.join('/'), `is below '${path}', which is a ${there.kind}: pack it again`);
      }
      if (there) continue;
      this.#put({ kind: 'directory', path });
      made.push(path);
    }
    return made;
  }

  #put(item: Item): void {
    const { maxDepth } = this.#limits;
    if (item.kind === 'directory' && item.path.split('/').length > maxDepth) {
      throw new Refused(item.path, `is more than ${maxDepth} directories deep`);
    }
    this.#items.set(item.path, item);
    this.#checkCount(this.#items.size);
  }

  #count(path: string, size: number): void {
    this.#sizes.set(path, size);
    this.#bytes += size;
    const { maxBytes } = this.#limits;
    if (this.#bytes <= maxBytes) return;
    const shown = maxBytes >= 2 ** 20 ? `${Math.floor(maxBytes / 2 ** 20)} MB` : `${maxBytes} bytes`;
    throw new Refused(null, `holds more than ${shown}: leave data out`);
  }

  #checkCount(count: number): void {
    const { maxFiles } = this.#limits;
    if (count > maxFiles) throw new Refused(null, `holds more than ${maxFiles} files: leave data out`);
  }

  #noHandler(): Refused {
    const below = [...this.#items.keys()].find((path) => path.endsWith(`/${HANDLER_FILE}`));
    const dir = below?.slice(0, -HANDLER_FILE.length - 1);
    const remedy =
      dir === undefined
        ? `the function's code goes there`
        : `it is in ${dir}: pack what is in that directory, with \`tar czf … -C ${dir} .\``;
    return new Refused(null, `has no file ${HANDLER_FILE} at its top: ${remedy}`);
  }
}

function link({ name, target }: TarEntry, path: string): Item {
  if (target === '') throw new Refused(name, 'is a link to nothing: remove it');
  checkText(target, name);
  const reason = whyLinkRefused(path, target);
  if (reason !== null) throw new Refused(name, reason);
  return { kind: 'link', path, target };
}
