import { OlError } from '../../../errors.ts';
import type { BpfNode } from './bpf.ts';

/** From number `start` up to the next range's start, `verdict` decides. */
export type NumberRange = { readonly start: number; readonly verdict: BpfNode };

/** A range, where `exceptions` single numbers inside it are sent elsewhere before `usual` decides. */
type FoldedRange = NumberRange & { readonly usual: BpfNode; readonly exceptions: number };

/** Exceptions are asked for one after another; with more than this, halving the range again is quicker. */
const MAX_EXCEPTIONS = 2;

/**
 * A binary search over the number in the accumulator. Takes ranges sorted by `start`, the first of which starts at 0.
 * The kernel runs a new filter once for every number there is, and each sandbox installs one: so not a list, which took
 * 0.33 ms to install where this takes 0.08 ms.
 */
export function dispatch(ranges: readonly NumberRange[]): BpfNode {
  return search(foldSingles(mergeEqual(ranges)));
}

function search(ranges: readonly NumberRange[]): BpfNode {
  const half = Math.floor(ranges.length / 2);
  const middle = ranges[half];
  if (middle === undefined) throw new OlError('ERR_INTERNAL', { reason: 'a BPF dispatch without a range' });
  if (half === 0) return middle.verdict;
  const [no, yes] = [search(ranges.slice(0, half)), search(ranges.slice(half))];
  return { kind: 'test', test: 'ge', value: middle.start, yes, no };
}

function mergeEqual(ranges: readonly NumberRange[]): NumberRange[] {
  return ranges.filter((range, index) => range.verdict !== ranges[index - 1]?.verdict);
}

/**
 * Where a single number interrupts a range, asks for that number first: one test, and not the two that would cut the
 * range into three.
 */
function foldSingles(ranges: readonly NumberRange[]): FoldedRange[] {
  const folded: FoldedRange[] = [];
  for (const { start, verdict } of ranges) {
    const [before, single] = folded.slice(-2);
    const resumes = single?.start === start - 1 && before?.usual === verdict;
    if (resumes && before.exceptions < MAX_EXCEPTIONS) folded.splice(-2, 2, except(before, single));
    else folded.push({ start, verdict, usual: verdict, exceptions: 0 });
  }
  return folded;
}

function except(range: FoldedRange, single: NumberRange): FoldedRange {
  const { start: value, verdict: yes } = single;
  const verdict: BpfNode = { kind: 'test', test: 'eq', value, yes, no: range.verdict };
  return { ...range, verdict, exceptions: range.exceptions + 1 };
}
