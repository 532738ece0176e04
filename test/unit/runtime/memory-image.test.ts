import { expect, test } from 'vitest';
import { outcomesOf } from '../../helpers/runtime-peer.ts';

/**
 * What came of four pages. The first was written to and is what it was, the second is what it is in the image, the third is
 * something else, the last one is all zeros.
 */
interface Given {
  readonly any: boolean;
  /** The pages that are the process's own, by their numbers. */
  readonly written: readonly number[];
  /** How each begins. */
  readonly held: readonly string[];
}

const outcomes = outcomesOf<{
  readonly common: boolean;
  readonly before: readonly number[];
  readonly held: readonly (readonly string[])[];
  readonly alone: Given;
  readonly thread: Given;
  readonly child: { readonly child: Given; readonly here: string };
  readonly signals: readonly number[];
  readonly writable: readonly string[];
  readonly open: readonly string[];
  readonly replaced: boolean;
}>('memory_image_peer.py');
const ZEROS = '\0'.repeat(7);
const HELD = ['aaaaaaa', 'keptbbb', 'newcccc', ZEROS];
const SIGUSR1 = 10;

test('an image of a child changes nothing, here and in the template; what is as it is in the child is shared', () => {
  const before = ['aaaaaaa', 'bbbbbbb', 'ccccccc', ZEROS];
  expect(outcomes.held).toEqual([before, before]);
  expect(outcomes.before).toEqual([1, 3]);
  expect(outcomes.common).toBe(true);
});

test('a page that is what it is in the image is given back, and no other', () => {
  expect(outcomes.alone).toEqual({ any: true, written: [2, 3], held: HELD });
});

test('so it is in a process that was forked from it, which changes nothing here', () => {
  expect(outcomes.child.child).toEqual({ any: true, written: [2, 3], held: HELD });
});

test('nothing is given back while another thread might write to it', () => {
  expect(outcomes.thread).toEqual({ any: false, written: [0, 1, 2, 3], held: HELD });
});

test('the same signals are blocked after it as before', () => {
  expect(outcomes.signals).toEqual([SIGUSR1]);
});

test('nobody can write to the image: it is mapped and open nowhere for that', () => {
  expect(outcomes.writable).toEqual([]);
  expect(outcomes.open).toEqual([]);
});

test('what has taken the place of a part of it keeps its zeros', () => {
  expect(outcomes.replaced).toBe(true);
});
