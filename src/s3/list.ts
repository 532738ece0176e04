import { compareKeys, lowerBound } from './store/key-order.ts';

export interface ListOptions {
  readonly prefix: string;
  readonly delimiter: string;
  /** Keys and common prefixes beyond this one; empty for all. */
  readonly after: string;
  readonly maxKeys: number;
}

export interface ListPage {
  readonly keys: readonly string[];
  readonly prefixes: readonly string[];
  /** The last entry of the page, to go on after; null where there is no more. */
  readonly next: string | null;
}

/** One page of the sorted `keys`: those with the prefix, those with a delimiter behind it rolled up into common prefixes. */
export function listPage(
  keys: readonly string[],
  { prefix, delimiter, after, maxKeys }: ListOptions,
): ListPage {
  const page = { keys: [] as string[], prefixes: [] as string[] };
  let last: string | null = null;
  let at = lowerBound(keys, compareKeys(after, prefix) > 0 ? after : prefix);
  for (let key = keys[at]; key?.startsWith(prefix); key = keys[at]) {
    const common = commonPrefix(key, prefix, delimiter);
    const entry = common ?? key;
    // What was rolled up on the page before begins with where that ended.
    const isSeen = key === after || entry === after;
    if (!isSeen) {
      if (page.keys.length + page.prefixes.length >= maxKeys) return { ...page, next: last };
      (common === null ? page.keys : page.prefixes).push(entry);
      last = entry;
    }
    at = common === null ? at + 1 : firstBeyond(keys, common, at);
  }
  return { ...page, next: null };
}

function commonPrefix(key: string, prefix: string, delimiter: string): string | null {
  if (delimiter === '') return null;
  const end = key.indexOf(delimiter, prefix.length);
  return end === -1 ? null : key.slice(0, end + delimiter.length);
}

/** The first key behind `from` that does not begin with `common`; those that do stand together. */
function firstBeyond(keys: readonly string[], common: string, from: number): number {
  let [low, high] = [from, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]?.startsWith(common)) low = middle + 1;
    else high = middle;
  }
  return low;
}
