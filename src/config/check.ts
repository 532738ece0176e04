import type { z } from 'zod';
import { OlError } from '../errors.ts';
import { nearest } from './nearest.ts';
import { type CheckedConfig, configKeys, configSchema } from './schema.ts';

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
    const reason = `it is not JSON: ${(cause as Error).message}`;
    throw new OlError('ERR_CONFIG_INVALID', { path, reason }, { cause });
  }
}

function explain(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'unrecognized_keys') return issue.keys.map(explainUnknown).join('; ');
  if (issue.path.length === 0) return `a JSON object is expected, this is ${kindOf(value)}`;
  const found = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], value);
  const key = issue.path.join('.');
  // What is nearly a secret is one as well.
  const shown = key.includes('secret') ? 'not shown' : show(found);
  return `${key}: ${issue.message}, this is ${shown}`;
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
