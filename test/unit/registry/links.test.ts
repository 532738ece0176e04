import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { whyLinkRefused } from '../../../src/registry/links.ts';

const DIRECTORIES = ['a', 'a/b', 'a/b/c', 'd'];

test('whatever links are accepted together, none of them leads out of the directory', () => {
  const place = fc.constantFrom('x', 'y', 'a/x', 'a/b/x', 'a/b/c/x', 'd/x', 'd/y');
  const step = fc.constantFrom('..', '.', '', 'a', 'b', 'c', 'd', 'x', 'y');
  const target = fc.array(step, { minLength: 1, maxLength: 6 }).map((steps) => steps.join('/'));
  fc.assert(
    fc.property(fc.dictionary(place, target, { maxKeys: 6 }), (links) => {
      const root = mkdtempSync(join(tmpdir(), 'ol-links-'));
      try {
        for (const path of DIRECTORIES) mkdirSync(join(root, path), { recursive: true });
        const accepted = Object.entries(links).filter(([path, to]) => to !== '' && !whyLinkRefused(path, to));
        for (const [path, to] of accepted) symlinkSync(to, join(root, path));
        for (const [path] of accepted) expect(leads(join(root, path), root)).not.toBe('out');
      } finally {
        rmSync(root, { recursive: true });
      }
    }),
    { numRuns: 150 },
  );
});

/** Where a path ends up: 'in' or 'out' of the root, or 'nowhere' for a link that dangles or loops. */
function leads(path: string, root: string): string {
  try {
    return `${realpathSync(path)}/`.startsWith(`${realpathSync(root)}/`) ? 'in' : 'out';
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ELOOP'].includes(String(error.code))) {
      return 'nowhere';
    }
    throw error;
  }
}

test('a link may climb to the directory of the function, and no further', () => {
  expect(whyLinkRefused('a/b/link', '../../x')).toBeNull();
  expect(whyLinkRefused('a/b/link', '../../../x')).toContain('leaves the function');
});
