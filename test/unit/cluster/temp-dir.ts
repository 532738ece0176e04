import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/** Gives every test of the file an empty directory of its own, removed afterwards. */
export function useTempDir(): { readonly dir: string } {
  const temp = { dir: '' };
  beforeEach(() => {
    temp.dir = realpathSync(mkdtempSync(join(tmpdir(), 'ol-cluster-')));
  });
  afterEach(() => rmSync(temp.dir, { recursive: true, force: true }));
  return temp;
}
