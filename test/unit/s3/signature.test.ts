import { describe, expect, test } from 'vitest';
import { presign, signHeaders } from '../../helpers/sigv4.ts';
import {
  CHUNKED,
  CHUNKED_DATA,
  CHUNKED_WITH_TRAILER,
  GET_LIFECYCLE,
  GET_OBJECT,
  LIST_OBJECTS,
  PRESIGNED,
  PUT_OBJECT,
} from './examples.ts';
import { KEYS, NOW, type Sent, TIME, verdict, verify } from './verify.ts';

const MINUTE = 60_000;
const HOST = { host: 'localhost' };
const headers = (sent: Sent, changes: Record<string, string>): Sent => ({
  ...sent,
  headers: { ...sent.headers, ...changes },
});
const inside = (sent: Sent, from: string | RegExp, to: string): Sent =>
  headers(sent, { authorization: (sent.headers.authorization ?? '').replace(from, to) });

test.each([
  ['GET of an object', GET_OBJECT, ''],
  ['PUT of an object', PUT_OBJECT, 'Welcome to Amazon S3.'],
  ['GET of a lifecycle', GET_LIFECYCLE, ''],
  ['listing', LIST_OBJECTS, ''],
  ['presigned URL', PRESIGNED, ''],
  ['body in chunks', CHUNKED, CHUNKED_DATA],
  ['body in chunks with a trailer', CHUNKED_WITH_TRAILER, CHUNKED_DATA],
])('the %s of the documentation is accepted', async (_, sent, body) => {
  expect((await verify(sent)).toString()).toBe(body);
});

describe('one change alone is refused', () => {
  const MISMATCH = '403 SignatureDoesNotMatch';
  test.each<readonly [string, Sent, string]>([
    ['the method', { ...GET_OBJECT, method: 'DELETE' }, MISMATCH],
    ['the path', { ...GET_OBJECT, url: '/test.tx' }, MISMATCH],
    ['a slash more', { ...GET_OBJECT, url: '//test.txt' }, MISMATCH],
    ['a dot segment', { ...GET_OBJECT, url: '/./test.txt' }, MISMATCH],
    ['a query that was none', { ...GET_OBJECT, url: '/test.txt?delete' }, MISMATCH],
    ['a parameter', { ...LIST_OBJECTS, url: '/?max-keys=3&prefix=J' }, MISMATCH],
    ['a parameter less', { ...LIST_OBJECTS, url: '/?max-keys=2' }, MISMATCH],
    ['a parameter more', { ...LIST_OBJECTS, url: '/?max-keys=2&prefix=J&marker=K' }, MISMATCH],
    ['a signed header', headers(GET_OBJECT, { range: 'bytes=0-8' }), MISMATCH],
    ['the host', headers(GET_OBJECT, { host: 'other.s3.amazonaws.com' }), MISMATCH],
    ['the second', headers(GET_OBJECT, { 'x-amz-date': '20130524T000001Z' }), MISMATCH],
    [
      'what stands for the body',
      headers(GET_OBJECT, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }),
      MISMATCH,
    ],
    ['the region', inside(GET_OBJECT, 'us-east-1', 'us-east-2'), MISMATCH],
    ['a digit of the signature', inside(GET_OBJECT, /1$/, '2'), MISMATCH],
    ['a signed header less', inside(GET_OBJECT, 'host;range;', 'host;'), MISMATCH],
    ['the key', inside(GET_OBJECT, 'AKIA', 'AKIB'), '403 InvalidAccessKeyId'],
    [
      'the key, in a letter whose last byte is the same',
      { ...PRESIGNED, url: PRESIGNED.url.replace('AKIA', '%C5%81KIA') },
      '403 InvalidAccessKeyId',
    ],
    [
      'a header more among the signed',
      inside(GET_OBJECT, 'host;range;', 'expires;host;range;'),
      '403 AccessDenied',
    ],
    ['a header of S3 that is not signed', headers(GET_OBJECT, { 'x-amz-meta-a': 'b' }), '403 AccessDenied'],
    ['the presigned path', { ...PRESIGNED, url: PRESIGNED.url.replace('test', 'rest') }, MISMATCH],
    ['the presigned expiry', { ...PRESIGNED, url: PRESIGNED.url.replace('86400', '86401') }, MISMATCH],
    ['a presigned parameter more', { ...PRESIGNED, url: `${PRESIGNED.url}&a=b` }, MISMATCH],
    ['the presigned method', { ...PRESIGNED, method: 'PUT' }, MISMATCH],
  ])('%s', async (_, sent, expected) => {
    expect(await verdict(sent)).toBe(expected);
  });
});

describe('what is signed well, and does not say enough, is refused', () => {
  const get = { method: 'GET', url: '/a/b', headers: HOST };
  const signed = (extra: Record<string, string>, names?: readonly string[]): Sent => {
    const sent = { ...get, headers: { ...HOST, ...extra } };
    const options = names === undefined ? { time: TIME } : { time: TIME, signed: names };
    return { ...sent, headers: signHeaders(sent, KEYS, options) };
  };
  const CORE = ['x-amz-content-sha256', 'x-amz-date'];
  test.each<readonly [string, Sent, string]>([
    ['nothing wrong', signed({}), 'accepted'],
    ['a host that is not signed', signed({}, CORE), '403 AccessDenied'],
    ['a date that is not signed', signed({}, ['host', 'x-amz-content-sha256']), '403 AccessDenied'],
    [
      'a header of S3 that is not signed',
      signed({ 'x-amz-acl': 'private' }, ['host', ...CORE]),
      '403 AccessDenied',
    ],
    ['a signed header that is not there', signed({}, ['expires', 'host', ...CORE]), '403 AccessDenied'],
    ['signed headers out of order', signed({}, [...CORE, 'host']), '400 AuthorizationHeaderMalformed'],
    ['a signed header twice', signed({}, ['host', 'host', ...CORE]), '400 AuthorizationHeaderMalformed'],
    ['a session token', signed({ 'x-amz-security-token': 'x' }), '400 InvalidToken'],
    ['no signature', get, '403 AccessDenied'],
    [
      'version 2',
      headers(get, { authorization: 'AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=' }),
      '400 InvalidRequest',
    ],
    [
      'two signatures',
      { ...PRESIGNED, headers: { ...PRESIGNED.headers, authorization: 'x' } },
      '400 InvalidArgument',
    ],
  ])('%s', async (_, sent, expected) => {
    expect(await verdict(sent)).toBe(expected);
  });
});

describe('the time of a request', () => {
  test.each([
    ['15 minutes late', 15 * MINUTE, 'accepted'],
    ['a little later', 15 * MINUTE + 1, '403 RequestTimeTooSkewed'],
    ['15 minutes early', -15 * MINUTE, 'accepted'],
    ['a little earlier', -15 * MINUTE - 1, '403 RequestTimeTooSkewed'],
  ])('%s: with the signature in the header', async (_, offset, expected) => {
    expect(await verdict(GET_OBJECT, NOW + offset)).toBe(expected);
  });

  test.each([
    ['in its last moment', 86_400_000, 'accepted'],
    ['after it', 86_400_001, '403 AccessDenied'],
    ['from a clock that is 15 minutes ahead', -15 * MINUTE, 'accepted'],
    ['long before', -15 * MINUTE - 1, '403 AccessDenied'],
  ])('%s: with a presigned URL', async (_, offset, expected) => {
    expect(await verdict(PRESIGNED, NOW + offset)).toBe(expected);
  });

  test.each([
    ['1', 'accepted'],
    ['604800', 'accepted'],
    ['604801', '400 AuthorizationQueryParametersError'],
    ['99999999999', '400 AuthorizationQueryParametersError'],
    ['0', '400 AuthorizationQueryParametersError'],
    ['-1', '400 AuthorizationQueryParametersError'],
    ['1e3', '400 AuthorizationQueryParametersError'],
    ['', '400 AuthorizationQueryParametersError'],
  ])('a presigned URL for %s seconds: %s', async (expires, expected) => {
    const sent = { method: 'GET', url: '/a/b', headers: HOST };
    expect(await verdict({ ...sent, url: presign(sent, KEYS, { time: TIME, expires }) })).toBe(expected);
  });

  test.each([
    '20130524T000000',
    '2013-05-24T00:00:00Z',
    '20131324T000000Z',
    '',
  ])('%j is none', async (time) => {
    expect(await verdict(headers(GET_OBJECT, { 'x-amz-date': time }))).toBe(
      '400 AuthorizationHeaderMalformed',
    );
  });
});

test.each([
  'X-Amz-Expires=86400',
  'X-Amz-Signature=0',
  'X-Amz-Date=20130524T000000Z',
  'X-Amz-SignedHeaders=host',
])('a query with %s once more is refused, whichever would count', async (parameter) => {
  const [path, query] = PRESIGNED.url.split('?');
  expect(await verdict({ ...PRESIGNED, url: `${path}?${parameter}&${query}` })).toBe('400 InvalidArgument');
  expect(await verdict({ ...PRESIGNED, url: `${PRESIGNED.url}&${parameter}` })).toBe('400 InvalidArgument');
});
