import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { makeTestDir, removeEmptyRoot } from '../../helpers/test-root.ts';

/** Gives the file's tests a directory of their own, and a way to write into it that returns the path. */
export function useFiles(): { write(name: string, content: unknown): string; path(name: string): string } {
  let dir = '';
  beforeAll(async () => {
    dir = await makeTestDir();
  });
  afterAll(async () => {
    rmSync(dir, { recursive: true });
    await removeEmptyRoot();
  });
  const path = (name: string) => join(dir, name);
  return {
    path,
    write(name, content) {
      writeFileSync(path(name), typeof content === 'string' ? content : JSON.stringify(content));
      return path(name);
    },
  };
}
