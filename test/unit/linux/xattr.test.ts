import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hasXattr } from '../../../src/linux/xattr.ts';

test('a file without the attribute does not have it', () => {
  const dir = mkdtempSync(join(tmpdir(), 'ol-xattr-'));
  expect(hasXattr(dir, 'user.delegate', '1')).toBe(false);
  rmSync(dir, { recursive: true });
});

test('a file that is not there is an error', () => {
  expect(() => hasXattr('/nowhere', 'user.delegate', '1')).toThrow(
    expect.objectContaining({ code: 'ERR_SYSCALL' }),
  );
});
