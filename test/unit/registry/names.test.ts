import { expect, test } from 'vitest';
import { checkFunctionName } from '../../../src/registry/names.ts';

test('names of letters, digits, dots, underscores and dashes are accepted, up to 64 of them', () => {
  for (const name of ['a', 'hello', 'A.b_c-9', '-x', '_', '9', 'a..b', 'x'.repeat(64)]) {
    expect(checkFunctionName(name)).toBe(name);
  }
});

test('any other name is refused, and a long one is cut in the message', () => {
  for (const name of ['', '.', '..', '.a', 'a/b', 'a\n', 'a%2f', 'é', 'x'.repeat(65)]) {
    expect(() => checkFunctionName(name)).toThrow(expect.objectContaining({ code: 'ERR_BAD_NAME' }));
  }
  expect(() => checkFunctionName('x'.repeat(5000))).toThrow(/^'x{100}' is not/);
});
