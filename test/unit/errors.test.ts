import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, expectTypeOf, test } from 'vitest';
import { ERRORS, type ErrorCode, type ErrorFields, isOlError, OlError, toOlError } from '../../src/errors.ts';

const ROOT = join(import.meta.dirname, '../..');
const CODES = Object.keys(ERRORS) as ErrorCode[];

/** Statuses that the worker answers with, and 499 for a client that does not wait for an answer. */
const STATUSES = [400, 404, 405, 408, 413, 429, 431, 499, 500, 502, 503, 504];

function sources(): string {
  const paths = globSync(['src/**/*.ts', 'quickstart/*.ts'], { cwd: ROOT }).filter(
    (path) => path !== 'src/errors.ts',
  );
  return paths.map((path) => readFileSync(join(ROOT, path), 'utf8')).join('\n');
}

test('every code of the table is thrown somewhere', () => {
  const text = sources();
  // `toOlError` makes ERR_INTERNAL as well, and is the only one that makes this.
  expect(CODES.filter((code) => !text.includes(`'${code}'`))).toEqual(['ERR_MACHINE_FULL']);
});

/** Codes of Node itself that the source knows by name, the last one by its beginning. */
const OF_NODE = ['ERR_HTTP_REQUEST_TIMEOUT', 'ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SSL'];

test('every code that the source names is in the table', () => {
  const named = new Set([...sources().matchAll(/'(ERR_[A-Z_]+)'/g)].map((match) => match[1] ?? ''));
  const known: string[] = [...CODES, ...OF_NODE];
  expect([...named].filter((code) => !known.includes(code))).toEqual([]);
});

test.each(
  CODES,
)('%s has a status that makes sense, and a message that is a sentence without its stop', (code) => {
  const { status, message } = ERRORS[code];
  expect(STATUSES).toContain(status);
  expect(message).not.toMatch(/\.$|^[A-Z]|\s{2}|undefined/);
});

test('a message is filled in from the fields, each as often as it is named', () => {
  const error = new OlError('ERR_NO_PARENT', { parent: '/x/y' });
  expect(error.message).toBe('/x/y is not a directory: make it first, with `mkdir -p /x/y`');
});

test('a field that holds braces or dollar signs is taken as it is', () => {
  const error = new OlError('ERR_NO_FUNCTION', { name: "{path} $& $'", hint: 'write it to /p' });
  expect(error.message).toBe("there is no function '{path} $& $'': write it to /p");
});

test('an error has its code, status and cause, and its body holds code and message alone', () => {
  const cause = new Error('why');
  const error = new OlError('ERR_BAD_JSON', { reason: 'it ends early' }, { cause });
  expect(error).toMatchObject({ name: 'OlError', code: 'ERR_BAD_JSON', status: 400, cause });
  expect(error.toBody()).toEqual({
    error: { code: 'ERR_BAD_JSON', message: 'the request body is not JSON: it ends early' },
  });
});

test('an error is known by its code', () => {
  const error: unknown = new OlError('ERR_SHUTTING_DOWN', {});
  expect([isOlError(error), isOlError(error, 'ERR_SHUTTING_DOWN'), isOlError(error, 'ERR_ZYGOTE')]).toEqual([
    true,
    true,
    false,
  ]);
  expect(isOlError(new Error('ERR_SHUTTING_DOWN'))).toBe(false);
});

test('what is not from the table becomes ERR_INTERNAL, with the cause kept; what is stays itself', () => {
  const own = new OlError('ERR_SHUTTING_DOWN', {});
  expect(toOlError(own)).toBe(own);
  const foreign = new TypeError('x is not a function');
  expect(toOlError(foreign)).toMatchObject({ code: 'ERR_INTERNAL', status: 500, cause: foreign });
  expect(toOlError('text').message).toContain('text');
  const full = Object.assign(new Error('ENOSPC: write'), { code: 'ENOSPC' });
  expect(toOlError(full)).toMatchObject({ code: 'ERR_MACHINE_FULL', status: 503, cause: full });
});

test('the compiler knows which fields a message needs', () => {
  expectTypeOf<keyof ErrorFields<'ERR_TIMEOUT'>>().toEqualTypeOf<'name' | 'limitMs'>();
  expectTypeOf<keyof ErrorFields<'ERR_SHUTTING_DOWN'>>().toEqualTypeOf<never>();
});
