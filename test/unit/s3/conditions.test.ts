import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rangeIn } from '../../../src/s3/conditions.ts';
import { listPage } from '../../../src/s3/list.ts';
import { parseRequest } from '../../../src/s3/request.ts';
import { findOperation } from '../../../src/s3/routes.ts';

const META = {
  key: 'a',
  etag: 'now',
  size: 10,
  modifiedMs: Date.UTC(2013, 4, 24),
  headers: {},
  checksum: null,
};

test.each([
  ['no condition', undefined, true],
  ['its ETag', '"now"', true],
  ['another ETag', '"before"', false],
  ['a weak ETag', 'W/"now"', false],
  ['its date', 'Fri, 24 May 2013 00:00:00 GMT', true],
  ['an earlier date', 'Thu, 23 May 2013 00:00:00 GMT', false],
  ['nonsense', 'now', false],
])('a range with %s', (_, condition, isTaken) => {
  const headers = new Map([['range', 'bytes=1-2']]);
  if (condition !== undefined) headers.set('if-range', condition);
  expect(rangeIn(headers, META)).toBe(isTaken ? 'bytes=1-2' : undefined);
});

test.each([
  ['GET', '/a/b?partNumber=1'],
  ['HEAD', '/a/b?partNumber=1'],
  ['PUT', '/a/b?partNumber=1'],
])('%s of %s is not taken for one of the whole object', (method, url) => {
  expect(() => findOperation(parseRequest(method, url, []))).toThrow(
    expect.objectContaining({ code: 'NotImplemented' }),
  );
});

test('pages hold each key once, in the order of UTF-8, whatever the prefix and the start', () => {
  const letter = fc.constantFrom('a', '/', '\ue000', '\uffee', '\u{1f600}', '\u{10ffff}');
  const text = fc.array(letter, { maxLength: 4 }).map((letters) => letters.join(''));
  const order = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  fc.assert(
    fc.property(
      fc.uniqueArray(text, { maxLength: 20 }),
      text,
      text,
      fc.integer({ min: 1, max: 5 }),
      (all, prefix, start, maxKeys) => {
        const keys = all.sort(order);
        const found: string[] = [];
        let after: string | null = start;
        while (after !== null) {
          const page = listPage(keys, { prefix, delimiter: '', after, maxKeys });
          found.push(...page.keys);
          after = page.next;
        }
        const expected = keys.filter((key) => key.startsWith(prefix) && order(key, start) > 0);
        // An empty start is none, and an empty key is none either.
        expect(found.filter(Boolean)).toEqual(expected.filter(Boolean));
      },
    ),
    { numRuns: 2000 },
  );
});
