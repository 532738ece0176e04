import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkConfig, parseJson } from '../../../src/config/check.ts';
import { resolveConfig } from '../../../src/config/load.ts';
import { configKeys } from '../../../src/config/schema.ts';
import { mergeConfig } from '../../../src/config/set.ts';
import { isOlError } from '../../../src/errors.ts';

const SECRET = 'TOP-secret-key\n';
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(
    -1,
    0,
    1,
    2 ** 31,
    2 ** 53,
    1e308,
    '',
    '0',
    '/',
    '../..',
    '\0',
    'sock',
    'docker',
    'local',
    'remote',
    true,
    null,
  ),
);
const key = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...configKeys) },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', 'worker_prot', '') },
  { weight: 1, arbitrary: fc.string({ maxLength: 10 }) },
);
const file = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.array(fc.tuple(key, value), { maxLength: 6 }).map((pairs) => Object.fromEntries(pairs)),
);

/** Whatever is in it: read, or refused with a reason that says nothing secret. */
function readOrRefuse(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!isOlError(error, 'ERR_CONFIG_INVALID')) throw error;
    expect(error.message).not.toMatch(/undefined|\[object|TOP-secret/);
  }
}

test('whatever is in a config file, it is read or refused with a reason', () => {
  fc.assert(
    fc.property(file, (content) => {
      readOrRefuse(() => resolveConfig(checkConfig(content, 'f'), '/c/config/worker-0.json'));
      readOrRefuse(() => mergeConfig({ worker_port: 8080 }, JSON.stringify(content), 'f'));
    }),
    { numRuns: 500 },
  );
});

test('whatever a text is, it is JSON or refused without being quoted', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.json().chain((json) => fc.nat(json.length).map((at) => json.slice(0, at) + SECRET)),
  );
  fc.assert(
    fc.property(text, (written) => readOrRefuse(() => checkConfig(parseJson(written, 'f'), 'f'))),
    { numRuns: 500 },
  );
});

test('a secret that is not one is in no message', () => {
  const wrong = fc.oneof(
    fc.constant(SECRET),
    fc.array(fc.constant(SECRET), { maxLength: 2 }),
    fc.record({ a: fc.constant(SECRET) }),
  );
  fc.assert(
    fc.property(wrong, (secret) => readOrRefuse(() => checkConfig({ registry_secret_key: secret }, 'f'))),
  );
});
