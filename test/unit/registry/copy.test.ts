import { expect, test } from 'vitest';
import { checkQuiet, QUIET_MS } from '../../../src/registry/copy.ts';

test('a file that has just changed is to be read again when it has been left alone long enough', () => {
  expect(() => checkQuiet('f', 1000, 1010)).toThrow(
    expect.objectContaining({ why: 'quiet', waitMs: QUIET_MS - 10 }),
  );
  expect(() => checkQuiet('f', 1000, 1000)).toThrow(
    expect.objectContaining({ why: 'quiet', waitMs: QUIET_MS }),
  );
});

test('a file that has been left alone, or whose time is ahead of the clock, can be read', () => {
  checkQuiet('f', 1000, 1000 + QUIET_MS);
  checkQuiet('f', 1000, 999);
});
