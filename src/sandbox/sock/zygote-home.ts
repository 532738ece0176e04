import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { detachedMount } from '../../linux/mounts.ts';
import { removeTree } from '../../linux/remove-tree.ts';
import type { Wanted } from './control.ts';

const OUTPUTS = ['stdout', 'stderr'];

/**
 * The directory of a package zygote on the host: `imports.json`, which tells it what to import, and what is printed while
 * it imports in `stdout` and `stderr`. The zygote can write to those two, and to nothing else in it.
 */
export class ZygoteHome {
  readonly path: string;

  /** Makes it; `path` must not exist yet. */
  constructor(path: string, uid: number, wanted: Wanted) {
    this.path = path;
    mkdirSync(path, { mode: 0o755 });
    writeFileSync(`${path}/imports.json`, `${JSON.stringify(wanted)}\n`, { mode: 0o644 });
    for (const name of OUTPUTS) {
      writeFileSync(`${path}/${name}`, '', { mode: 0o644 });
      chownSync(`${path}/${name}`, uid, uid);
    }
  }

  /** A detached mount of it, for the zygote. */
  open(): number {
    return detachedMount(this.path, 'writable');
  }

  async remove(): Promise<void> {
    await removeTree(this.path);
  }
}
