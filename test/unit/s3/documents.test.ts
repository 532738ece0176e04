import fc from 'fast-check';
import { expect, test } from 'vitest';
import { S3Error } from '../../../src/s3/errors.ts';
import { deleteList, partList } from '../../../src/s3/xml/documents.ts';
import { writeXml } from '../../../src/s3/xml/write.ts';

const read = (text: string) => deleteList(Buffer.from(text)).keys;
const within = (key: string) => `<Delete><Object><Key>${key}</Key></Object></Delete>`;

/** What comes of a document: its keys, or the code that it is refused with. */
function outcome(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    if (error instanceof S3Error) return error.code;
    throw error;
  }
}

test.each([
  [
    'an attribute',
    '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object></Delete>',
    ['a'],
  ],
  ['a declaration, a comment and spaces', `<?xml version="1.0"?>\n<!-- c -->\n${within('a')}\n`, ['a']],
  ['entities and references', within('&lt;&amp;&gt;&quot;&apos;&#65;&#x42;'), ['<&>"\'AB']],
  ['spaces in a key', within(' a '), [' a ']],
  ['CDATA', within('<![CDATA[<&>]]>'), ['<&>']],
  ['nothing', '', 'MalformedXML'],
  ['two documents', within('a') + within('b'), 'MalformedXML'],
  ['a cut end', within('a').slice(0, -1), 'MalformedXML'],
  ['a wrong end', '<Delete><Object><Key>a</Object></Key></Delete>', 'MalformedXML'],
  ['another root', '<Remove><Object><Key>a</Key></Object></Remove>', 'MalformedXML'],
  ['an unknown entity', within('&nbsp;'), 'MalformedXML'],
  ["an entity that every object of JavaScript's has", within('&constructor;'), 'MalformedXML'],
  ['a document type', `<!DOCTYPE Delete>${within('a')}`, 'MalformedXML'],
  ['an entity of its own', `<!DOCTYPE Delete [<!ENTITY a "b">]>${within('&a;')}`, 'MalformedXML'],
  [
    'entities in entities',
    `<!DOCTYPE Delete [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>${within('&b;')}`,
    'MalformedXML',
  ],
  [
    'a file of the server',
    `<!DOCTYPE Delete [<!ENTITY a SYSTEM "file:///etc/passwd">]>${within('&a;')}`,
    'MalformedXML',
  ],
  ['a processing instruction', within('<?php x ?>'), 'MalformedXML'],
  ['half a surrogate pair', within('&#xd800;'), 'MalformedXML'],
  ['no key', '<Delete><Object/></Delete>', 'MalformedXML'],
  ['an empty key', within(''), 'MalformedXML'],
  ['two keys in one', '<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>', 'MalformedXML'],
  ['no object', '<Delete/>', 'MalformedXML'],
  ['1,001 objects', `<Delete>${'<Object><Key>a</Key></Object>'.repeat(1001)}</Delete>`, 'MalformedXML'],
  ['a version', '<Delete><Object><Key>a</Key><VersionId>1</VersionId></Object></Delete>', 'NotImplemented'],
  ['a long key', within('a'.repeat(1025)), 'KeyTooLongError'],
  ['elements in elements', `${'<Delete>'.repeat(9)}${'</Delete>'.repeat(9)}`, 'MalformedXML'],
  ['a million of them', '<a>'.repeat(1_000_000), 'MalformedXML'],
  ['a comment without an end', `<!--${'-x'.repeat(1_000_000)}`, 'MalformedXML'],
])('a list with %s', (_, text, expected) => {
  expect(outcome(() => read(text))).toEqual(expected);
});

test('bytes that are not UTF-8 are refused', () => {
  expect(outcome(() => deleteList(Buffer.from(within('\xff'), 'latin1')))).toBe('MalformedXML');
});

test('any key that XML can say comes through what we write and read', () => {
  const sayable = fc.string({ unit: 'binary', minLength: 1, maxLength: 100 });
  fc.assert(
    fc.property(
      sayable.filter((key) => !/[\p{Cc}\p{Cs}\ufffe\uffff]/u.test(key)),
      (key) => {
        expect(read(writeXml('Delete', [['Object', [['Key', key]]]]))).toEqual([key]);
      },
    ),
  );
});

test('whatever a document is made of, it is read or refused', () => {
  const words = [
    '<',
    '>',
    '</',
    '/>',
    '&',
    ';',
    '&#',
    'x',
    '"',
    '=',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?xml',
    '?>',
    '<!DOCTYPE',
  ];
  const names = [
    'Delete',
    'Object',
    'Key',
    'Quiet',
    'CompleteMultipartUpload',
    'Part',
    'PartNumber',
    'ETag',
    '__proto__',
  ];
  const piece = fc.oneof(
    fc.constantFrom(...words, ...names, ...names.flatMap((name) => [`<${name}>`, `</${name}>`])),
    fc.string({ unit: 'binary', maxLength: 5 }),
  );
  const documents = fc.array(piece, { maxLength: 40 }).map((pieces) => Buffer.from(pieces.join('')));
  const anything = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(documents, anything), (bytes) => {
      outcome(() => deleteList(bytes));
      outcome(() => partList(bytes));
    }),
    { numRuns: 2000 },
  );
});

test.each([
  '0',
  '-1',
  '1.5',
  'x',
  '100000',
  '',
])('%j is no number of a part, or none that there is', (number) => {
  const text = `<CompleteMultipartUpload><Part><PartNumber>${number}</PartNumber><ETag>"a"</ETag></Part></CompleteMultipartUpload>`;
  const found = outcome(() => partList(Buffer.from(text)));
  // 0 is one that no upload has.
  expect(found).toEqual(number === '0' ? [{ number: 0, etag: 'a', checksums: new Map() }] : 'MalformedXML');
});
