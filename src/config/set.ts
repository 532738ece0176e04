import { OlError } from '../errors.ts';
import { checkConfig, parseJson } from './check.ts';
import { configKeys } from './schema.ts';

/** One key that `setconf` changed; null is a key that is not in the file. */
export interface Change {
  readonly key: string;
  readonly from: unknown;
  readonly to: unknown;
}

export interface Merged {
  readonly merged: Readonly<Record<string, unknown>>;
  readonly changes: readonly Change[];
}

/** How messages call the JSON on the command line. */
const GIVEN = 'the given JSON';

/**
 * Merges JSON text into a parsed config file, top-level key by top-level key; null takes a key out, back to its default.
 * Keys keep their order, new ones come last. `path` names the file. Throws ERR_CONFIG_INVALID where the text is no JSON
 * object, has an unknown key or a wrong value, or where the result is not a valid config.
 */
export function mergeConfig(current: unknown, text: string, path: string): Merged {
  const patch = parseJson(text, GIVEN);
  const before = toMap(current, path);
  const given = toMap(patch, GIVEN);
  checkConfig(Object.fromEntries([...given].filter(([key, value]) => !takesOut(key, value, before))), GIVEN);
  const after = new Map(before);
  for (const [key, value] of given) {
    if (value === null) after.delete(key);
    else after.set(key, value);
  }
  const merged = Object.fromEntries(after);
  checkConfig(merged, path);
  return { merged, changes: changesOf(given.keys(), before, after) };
}

/** Null is checked like a value where the key is neither known nor in the file: then it is a slip of the pen. */
function takesOut(key: string, value: unknown, before: ReadonlyMap<string, unknown>): boolean {
  return value === null && (before.has(key) || configKeys.includes(key));
}

function changesOf(
  keys: Iterable<string>,
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
): Change[] {
  const changes = [...keys].map((key) => ({
    key,
    from: before.get(key) ?? null,
    to: after.get(key) ?? null,
  }));
  return changes.filter(({ from, to }) => JSON.stringify(from) !== JSON.stringify(to));
}

function toMap(value: unknown, path: string): Map<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return new Map(Object.entries(value));
  // Says what was expected.
  checkConfig(value, path);
  throw new OlError('ERR_CONFIG_INVALID', { path, reason: 'a JSON object is expected' });
}
