import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isOlError } from '../../../src/errors.ts';
import { normalizeName, parsePackagesFile } from '../../../src/packages/requirements.ts';

function parse(text: string) {
  return parsePackagesFile(text, 'f');
}

function refusal(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (isOlError(error, 'ERR_PACKAGES_FILE')) return error.message;
    throw error;
  }
  throw new Error(`${JSON.stringify(text)} was taken`);
}

describe('packages.txt', () => {
  test('may hold requirements as pip reads them, comments and empty lines', () => {
    const text = [
      '# what we need',
      '',
      'requests',
      'Flask_Login>=0.6, <1   # the login',
      'uvicorn[standard, Http2]==0.30.*',
      'tomli>=2 ; python_version < "3.11"',
      'six (>=1.16)',
    ].join('\r\n');
    expect(parse(text).requirements).toEqual([
      'flask-login<1,>=0.6',
      'requests',
      'six>=1.16',
      'tomli>=2 ; python_version < "3.11"',
      'uvicorn[http2,standard]==0.30.*',
    ]);
  });

  test('may name the module that a package is imported as', () => {
    expect(parse('bs4:beautifulsoup4\ngoogle.cloud.storage: google-cloud-storage==2.1\nsix\n')).toEqual({
      requirements: ['beautifulsoup4', 'google-cloud-storage==2.1', 'six'],
      modules: ['bs4', 'google.cloud.storage'],
      unnamed: ['six'],
    });
  });

  test('says the same however it is written', () => {
    expect(parse('A.b>=1,<2\nc\nc')).toEqual(parse('\n c # x\na-B <2 , >=1'));
  });

  test.each([
    ['--index-url https://example.org', 'is an option'],
    ['-r other.txt', 'is an option'],
    ['six --hash=sha256:00', 'where a version'],
    ['./wheel.whl', 'is a path'],
    ['../x', 'is a path'],
    ['/opt/x', 'is a path'],
    ['x/../y', 'is a path'],
    ['six==1..2', 'is a path'],
    ['https://example.org/x.whl', 'is a URL'],
    ['git+https://example.org/x', 'is a URL'],
    ['six @ https://example.org/six.whl', 'is a URL'],
    ['six @ file:x.whl', 'is a URL'],
    ['six:https://example.org/six.whl', 'is a URL'],
    ['six:-e', 'is an option'],
    ['six\u0000', 'control character'],
    ['six # \u001b[2J', 'control character'],
    ['six \\', 'goes on'],
    ['six 1.16', 'where a version'],
    ['six==', 'where a version'],
    ['six[a b]', 'not the name of an extra'],
    ['six; import os; os.system("x")', 'marker'],
    ['six;', 'marker'],
    ['x:', 'is not a requirement'],
    [`six${' '.repeat(1000)}`, 'longer than'],
  ])('refuses %j, and says where and why', (line, reason) => {
    const message = refusal(`idna\n${line}\n`);
    expect(message).toContain("packages.txt of 'f', line 2: ");
    expect(message).toContain(reason);
  });

  test('takes nothing that an installer would read as an option, a path or a URL, whatever it holds', () => {
    const piece = fc.constantFrom(
      'six',
      'a:b',
      '==',
      '1',
      '-',
      '--x',
      '/',
      '..',
      '@',
      '://',
      '\n',
      '#',
      ' ',
      '[',
      ']',
      ';',
      '\\',
      '\u0007',
      '"',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(text, (written) => {
        try {
          for (const line of parse(written).requirements)
            expect(line).toMatch(
              /^[a-z0-9][a-z0-9-]*(\[[a-z0-9,-]+\])?([=<>!~]{1,3}[\w.*+!-]+,?)*( ; [\w\s"'.<>=!()~,+*-]+)?$/,
            );
        } catch (error) {
          if (!isOlError(error, 'ERR_PACKAGES_FILE')) throw error;
          // biome-ignore lint/suspicious/noControlCharactersInRegex: none is to be in a message
          expect(error.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('what was read is read again as the same', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9]([._-]?[A-Za-z0-9]){0,5}$/);
    const version = fc.tuple(
      fc.constantFrom('==', '>=', '<', '!=', '~='),
      fc.stringMatching(/^[0-9]\.[0-9]$/),
    );
    const line = fc
      .tuple(name, fc.array(version, { maxLength: 3 }))
      .map(([is, all]) => `${is}${all.map((one) => one.join(' ')).join(' , ')}`);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 5 }), (lines) => {
        const once = parse(lines.join('\n')).requirements;
        expect(parse(once.join('\n')).requirements).toEqual(once);
      }),
    );
  });
});

test.each([
  ['spaces', `a${' '.repeat(990)})`],
  ['commas', `a${' ,'.repeat(490)})`],
  ['letters', `${'a'.repeat(990)})`],
  ['words', `${'a '.repeat(490)})`],
])('a line of many %s is refused, and holds up nobody', (_what, line) => {
  expect(() => parse(line)).toThrow(/is not a requirement/);
});

test('a name has one form', () => {
  expect(['Foo.Bar', 'foo__bar', 'FOO-_.bar'].map(normalizeName)).toEqual(['foo-bar', 'foo-bar', 'foo-bar']);
});
