import { z } from 'zod';
import { readText } from '../config/read-text.ts';
import { OlError } from '../errors.ts';
import type { PackageKey } from './tree.ts';

/** `<name>==<version>` in any spelling of the name; read as PEP 503 normalises it. */
export const packageKey = z
  .string()
  .regex(/^[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?==[A-Za-z0-9][\w.+!-]*$/, '`<name>==<version>` is expected')
  .transform(normaliseKey);

export function normaliseKey(text: string): PackageKey {
  const [name = '', version = ''] = text.split('==');
  return `${name.toLowerCase().replace(/[-_.]+/g, '-')}==${version}`;
}

/** Reads a file of JSON and checks it. Throws ERR_FILE_INVALID with the file, the place in it, and what was expected. */
export function readInput<T>(path: string, schema: z.ZodType<T>): T {
  const value = parse(readText(path, 'ERR_FILE_INVALID'), path);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [first, ...rest] = result.error.issues.map((issue) => explain(issue, value));
  const more = rest.length === 0 ? '' : ` (and ${rest.length} more)`;
  throw new OlError('ERR_FILE_INVALID', { path, reason: `${first}${more}` }, { cause: result.error });
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = `it is not JSON: ${(cause as Error).message}`;
    throw new OlError('ERR_FILE_INVALID', { path, reason }, { cause });
  }
}

function explain(issue: z.core.$ZodIssue, value: unknown): string {
  const found = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], value);
  const place = issue.path.length === 0 ? 'the whole' : z.core.toDotPath(issue.path);
  return `${place}: ${issue.message}, this is ${show(found)}`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
