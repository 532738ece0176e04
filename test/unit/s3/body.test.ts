import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ChunkWriter, sha256, signHeaders } from '../../helpers/sigv4.ts';
import { CHUNKED, CHUNKED_WITH_TRAILER, CHUNKS, PUT_OBJECT, TRAILER_CHUNKS, TRAILERS } from './examples.ts';
import { KEYS, type Sent, TIME, verdict } from './verify.ts';

const [FIRST, SECOND, LAST] = CHUNKS;
const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER';
const UNSIGNED = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
const MISMATCH = '403 SignatureDoesNotMatch';

const crcOf = (text: string) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(text));
  return bytes.toString('base64');
};

function put(payload: string, body: string, extra: Record<string, string> = {}): Sent {
  const headers = { host: 'localhost', 'x-amz-content-sha256': payload, ...extra };
  const sent = { method: 'PUT', url: '/a/b', headers };
  return { ...sent, headers: signHeaders(sent, KEYS, { time: TIME }), body };
}

const plain = (payload: string, body: string, extra: Record<string, string> = {}) =>
  put(payload, body, { 'content-length': String(body.length), ...extra });

test.each<readonly [string, Sent, string]>([
  ['one that is its hash', plain(sha256('body'), 'body'), 'accepted'],
  ['a changed one', plain(sha256('body'), 'bodi'), '403 XAmzContentSHA256Mismatch'],
  [
    "a changed one of the documentation's",
    { ...PUT_OBJECT, body: 'welcome to Amazon S3.' },
    '403 XAmzContentSHA256Mismatch',
  ],
  ['a longer one', { ...PUT_OBJECT, body: `${PUT_OBJECT.body}.` }, '400 IncompleteBody'],
  ['a cut one', { ...PUT_OBJECT, body: 'Welcome' }, '400 IncompleteBody'],
  ['one that nobody signed', plain('UNSIGNED-PAYLOAD', 'anything'), 'accepted'],
  [
    'one with a wrong MD5',
    plain('UNSIGNED-PAYLOAD', 'x', { 'content-md5': createHash('md5').update('y').digest('base64') }),
    '400 BadDigest',
  ],
  [
    'one with a wrong checksum',
    plain('UNSIGNED-PAYLOAD', 'x', { 'x-amz-checksum-crc32': crcOf('y') }),
    '400 BadDigest',
  ],
  [
    'one with its checksum',
    plain('UNSIGNED-PAYLOAD', 'x', { 'x-amz-checksum-crc32': crcOf('x') }),
    'accepted',
  ],
  [
    'one with two checksums',
    plain('UNSIGNED-PAYLOAD', 'x', { 'x-amz-checksum-crc32': crcOf('x'), 'x-amz-checksum-sha1': '' }),
    '400 InvalidRequest',
  ],
  [
    'one with half a checksum',
    plain('UNSIGNED-PAYLOAD', 'x', { 'x-amz-checksum-crc32': 'AAAA' }),
    '400 InvalidRequest',
  ],
  [
    'one without a length',
    put('UNSIGNED-PAYLOAD', 'x', { 'transfer-encoding': 'chunked' }),
    '411 MissingContentLength',
  ],
  [
    'one that is too large',
    put('UNSIGNED-PAYLOAD', 'x', { 'content-length': String(2 ** 20 + 1) }),
    '400 EntityTooLarge',
  ],
  ['a word for it that does not exist', plain('SIGNED-PAYLOAD', 'x'), '400 InvalidArgument'],
  [
    "a word that every object of JavaScript's knows",
    put('constructor', '1\r\nx\r\n0\r\n\r\n'),
    '400 InvalidArgument',
  ],
  ['another form of chunks', plain('STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD', 'x'), '501 NotImplemented'],
])('a body, %s: %s', async (_, sent, expected) => {
  expect(await verdict(sent)).toBe(expected);
});

describe('signed chunks', () => {
  const as = (...parts: readonly string[]): Sent => ({ ...CHUNKED, body: `${parts.join('')}\r\n` });
  test.each<readonly [string, Sent, string]>([
    ['unchanged', as(...CHUNKS), 'accepted'],
    ['a changed byte', as(FIRST, SECOND.replace('aa\r\n', 'ab\r\n'), LAST), MISMATCH],
    ['a changed signature', as(FIRST, SECOND.replace('97\r\n', '98\r\n'), LAST), MISMATCH],
    ['another order', as(SECOND, FIRST, LAST), MISMATCH],
    ['one left out', as(FIRST, LAST), MISMATCH],
    ['one more', as(FIRST, SECOND, SECOND, LAST), '400 IncompleteBody'],
    ['only the last', as(LAST), MISMATCH],
    ['without the last', { ...CHUNKED, body: FIRST + SECOND }, '400 IncompleteBody'],
    ['without a signature', as(FIRST, SECOND.replace(/;chunk-signature=\w+/, ''), LAST), MISMATCH],
    ['with another extension', as(FIRST, SECOND.replace(';chunk', ';a=b;chunk'), LAST), '400 InvalidRequest'],
    ['a size that is too small', as(FIRST, SECOND.replace('400', '3ff'), LAST), MISMATCH],
    ['a size that is too large', as(FIRST, SECOND.replace('400', '401'), LAST), '400 IncompleteBody'],
    ['a cut one', { ...CHUNKED, body: FIRST.slice(0, 40_000) }, '400 IncompleteBody'],
    ['a cut head', { ...CHUNKED, body: FIRST.slice(0, 40) }, '400 IncompleteBody'],
    ['without the line at the end', { ...CHUNKED, body: CHUNKS.join('') }, '400 IncompleteBody'],
    ['something behind the end', as(...CHUNKS, '\r\n', 'x'), '400 IncompleteBody'],
    ['a trailer that was not announced', as(...CHUNKS, TRAILERS), '400 MalformedTrailerError'],
    ['nothing at all', { ...CHUNKED, body: '' }, '400 IncompleteBody'],
  ])('%s', async (_, sent, expected) => {
    expect(await verdict(sent)).toBe(expected);
  });
});

describe('signed trailers', () => {
  const as = (trailers: string): Sent => ({
    ...CHUNKED_WITH_TRAILER,
    body: `${TRAILER_CHUNKS}${trailers}\r\n`,
  });
  test.each<readonly [string, Sent, string]>([
    ['unchanged', as(TRAILERS), 'accepted'],
    ['a changed value', as(TRAILERS.replace('sOO8', 'sOO9')), MISMATCH],
    ['without a signature', as(TRAILERS.replace(/x-amz-trailer-sig.*\r\n/, '')), MISMATCH],
    ['none', as(''), '400 MalformedTrailerError'],
    ['twice', as(TRAILERS.replace(/^.*\r\n/, '$&$&')), '400 MalformedTrailerError'],
    ['one more', as(`x-amz-meta-a:b\r\n${TRAILERS}`), '400 MalformedTrailerError'],
  ])('%s', async (_, sent, expected) => {
    expect(await verdict(sent)).toBe(expected);
  });

  test.each([
    ['right', 'data', 'accepted'],
    ['of something else', 'date', '400 BadDigest'],
  ])('a checksum that is signed well, and %s', async (_, summed, expected) => {
    const { headers, ...sent } = put(SIGNED, '', { 'x-amz-trailer': 'x-amz-checksum-crc32' });
    const writer = new ChunkWriter(headers.authorization ?? '', KEYS, TIME);
    const chunks = ['da', 'ta', ''].map((data) => writer.chunk(data)).join('');
    const body = `${chunks}${writer.trailer('x-amz-checksum-crc32', crcOf(summed))}\r\n`;
    expect(await verdict({ ...sent, headers, body })).toBe(expected);
  });
});

describe('chunks that are not signed', () => {
  const as = (body: string, extra: Record<string, string> = {}): Sent =>
    put(UNSIGNED, body, { 'x-amz-trailer': 'x-amz-checksum-crc32', ...extra });
  const trailer = (text: string) => `x-amz-checksum-crc32:${crcOf(text)}\r\n\r\n`;
  test.each<readonly [string, Sent, string]>([
    ['right', as(`2\r\nda\r\n2\r\nta\r\n0\r\n${trailer('data')}`), 'accepted'],
    ['with a wrong checksum', as(`4\r\ndata\r\n0\r\n${trailer('date')}`), '400 BadDigest'],
    ['with a changed byte', as(`4\r\ndatA\r\n0\r\n${trailer('data')}`), '400 BadDigest'],
    ['in another order', as(`2\r\nta\r\n2\r\nda\r\n0\r\n${trailer('data')}`), '400 BadDigest'],
    [
      'with one that is no checksum',
      as('4\r\ndata\r\n0\r\nx-amz-checksum-crc32:none\r\n\r\n'),
      '400 InvalidRequest',
    ],
    ['without it', as('4\r\ndata\r\n0\r\n\r\n'), '400 MalformedTrailerError'],
    ['with another one', as('4\r\ndata\r\n0\r\nx-amz-checksum-sha1:x\r\n\r\n'), '400 MalformedTrailerError'],
    [
      'where none is announced',
      put(UNSIGNED, `4\r\ndata\r\n0\r\n${trailer('data')}`),
      '400 MalformedTrailerError',
    ],
    [
      'with a signature',
      as(`4;chunk-signature=${'0'.repeat(64)}\r\ndata\r\n0\r\n${trailer('data')}`),
      MISMATCH,
    ],
    [
      'with another length',
      as(`4\r\ndata\r\n0\r\n${trailer('data')}`, { 'x-amz-decoded-content-length': '5' }),
      '400 IncompleteBody',
    ],
    [
      'with a checksum in a header, too',
      as('0\r\n\r\n', { 'x-amz-checksum-crc32': crcOf('') }),
      '400 InvalidRequest',
    ],
  ])('%s', async (_, sent, expected) => {
    expect(await verdict(sent)).toBe(expected);
  });
});
