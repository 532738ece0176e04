import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { makeLock, packageOf, parseLock, parseResolution } from '../../../src/packages/lock.ts';

const [A, B] = ['a'.repeat(64), 'b'.repeat(64)];
const PYTHON = 'cpython-311-x64';

describe('what a resolver wrote', () => {
  test('is read as versions and hashes', () => {
    const text = `# made by x\nFlask_Login==0.6.3 \\\n    --hash=sha256:${B} \\\n    --hash=sha256:${A}\nsix==1.16.0 --hash=sha256:${A}\n`;
    expect(parseResolution(text, PYTHON)).toEqual([
      expect.objectContaining({
        name: 'flask-login',
        version: '0.6.3',
        hashes: [`sha256:${A}`, `sha256:${B}`],
      }),
      expect.objectContaining({ name: 'six', version: '1.16.0', hashes: [`sha256:${A}`] }),
    ]);
  });

  test('names another directory for other files, and for another Python', () => {
    const dirOf = (text: string, python = PYTHON) => parseResolution(text, python)?.[0]?.dir;
    const honest = dirOf(`six==1.16.0 --hash=sha256:${A}`);
    expect(honest).toMatch(/^six-1\.16\.0-[0-9a-f]{16}$/);
    expect(dirOf(`six==1.16.0 --hash=sha256:${B}`)).not.toBe(honest);
    expect(dirOf(`six==1.16.0 --hash=sha256:${A} --hash=sha256:${B}`)).not.toBe(honest);
    expect(dirOf(`six==1.16.0 --hash=sha256:${A}`, 'cpython-312-x64')).not.toBe(honest);
  });

  test('holds up nobody where it is a line of half a million spaces', () => {
    for (const end of ['x', '-', ';'])
      expect(parseResolution(`six==1${' '.repeat(500_000)}${end}`, PYTHON)).toBeNull();
  });

  test.each([
    'six==1.16.0',
    'six',
    `six==../../x --hash=sha256:${A}`,
    `../six==1 --hash=sha256:${A}`,
    `six==1 --hash=md5:${A}`,
    `six==1 --hash=sha256:${A} --index-url http://x`,
    `-e . --hash=sha256:${A}`,
    `six @ https://example.org/six.whl --hash=sha256:${A}`,
    `six==1 --hash=sha256:${A}\nSIX==2 --hash=sha256:${A}`,
  ])('is refused where it is anything else: %s', (text) => {
    expect(parseResolution(text, PYTHON)).toBeNull();
  });

  test('never names a directory that is elsewhere, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (name, version) => {
        for (const { dir } of parseResolution(`${name}==${version} --hash=sha256:${A}`, PYTHON) ?? [])
          expect(dir).toMatch(/^[a-z0-9][a-zA-Z0-9.+!_-]*$/);
      }),
    );
  });
});

test('a directory tells which package it is', () => {
  const [one] = parseResolution(`flask-login==1!0.6.3+local.1 --hash=sha256:${A}`, PYTHON) ?? [];
  expect(packageOf(one?.dir ?? '')).toMatchObject({ name: 'flask-login', version: '1!0.6.3+local.1' });
  expect(packageOf('something-else')).toBeNull();
});

test('a lock of the same packages has the same id, in whatever order they come', () => {
  const six = { name: 'six', version: '1', dir: 'six-1-0' };
  const idna = { name: 'idna', version: '2', dir: 'idna-2-0' };
  const lock = makeLock([six, idna], ['six']);
  expect(lock).toEqual(makeLock([idna, six], ['six']));
  expect(lock.packages).toEqual([idna, six]);
  expect(makeLock([six, { ...idna, version: '3' }], ['six']).id).not.toBe(lock.id);
  expect(parseLock(JSON.stringify(lock))).toEqual(lock);
});
