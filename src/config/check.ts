import type { z } from 'zod';
import { OlError } from '../errors.ts';
import { nearest } from './nearest.ts';
import { type CheckedConfig, configKeys, configSchema, SECRET_KEYS } from './schema.ts';

/**
 * Checks parsed JSON against the schema and fills in the defaults. `path` names the source in the message.
 * Throws ERR_CONFIG_INVALID with the key, what was expected, and for an unknown key the nearest known one.
 */
export function checkConfig(value: unknown, path: string): CheckedConfig {
  const result = configSchema.safeParse(value);
  if (result.success) return result.data;
  const reason = result.error.issues.map((issue) => explain(issue, value)).join('; ');
  throw new OlError('ERR_CONFIG_INVALID', { path, reason }, { cause: result.error });
}

/** Parses JSON; throws ERR_CONFIG_INVALID where the text is none. */
export function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OlError('ERR_CONFIG_INVALID', { path, reason: `it is not JSON: ${withoutQuote(cause)}` });
  }
}

/** What is wrong, without the piece of the text that the engine quotes: it may hold a secret. */
function withoutQuote(error: unknown): string {
  return (error as Error).message.replace(/, (\.\.\.)?".*"(\.\.\.)? is not valid JSON$/s, '');
}

function explain(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'unrecognized_keys') return issue.keys.map(explainUnknown).join('; ');
  if (issue.path.length === 0) return `a JSON object is expected, this is ${kindOf(value)}`;
  const found = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], value);
  const [key] = issue.path;
  const what = SECRET_KEYS.has(String(key)) ? 'this is something else' : `this is ${show(found)}`;
  return `${issue.path.join('.')}: ${issue.message}, ${what}`;
}

function explainUnknown(key: string): string {
  const near = nearest(key, configKeys);
  const hint = near === null ? 'docs/configuration.md has them all' : `did you mean "${near}"?`;
  return `unknown key "${key}" (${hint})`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
