import type { Sent } from './verify.ts';

/** The examples of S3's documentation of Signature Version 4, with the signatures that it gives. */
const CREDENTIAL = 'AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request';
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const DATE = { 'x-amz-date': '20130524T000000Z' };
const HOST = { host: 'examplebucket.s3.amazonaws.com' };

const by = (signed: string, signature: string) => ({
  authorization: `AWS4-HMAC-SHA256 Credential=${CREDENTIAL},SignedHeaders=${signed},Signature=${signature}`,
});
const PLAIN = 'host;x-amz-content-sha256;x-amz-date';

export const GET_OBJECT: Sent = {
  method: 'GET',
  url: '/test.txt',
  headers: {
    ...HOST,
    ...by(
      'host;range;x-amz-content-sha256;x-amz-date',
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ),
    range: 'bytes=0-9',
    'x-amz-content-sha256': EMPTY,
    ...DATE,
  },
};

export const PUT_OBJECT: Sent = {
  method: 'PUT',
  url: '/test%24file.text',
  headers: {
    ...HOST,
    date: 'Fri, 24 May 2013 00:00:00 GMT',
    ...by(
      'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    ),
    ...DATE,
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    'content-length': '21',
  },
  body: 'Welcome to Amazon S3.',
};

export const GET_LIFECYCLE: Sent = {
  method: 'GET',
  url: '/?lifecycle',
  headers: {
    ...HOST,
    ...by(PLAIN, 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'),
    ...DATE,
    'x-amz-content-sha256': EMPTY,
  },
};

export const LIST_OBJECTS: Sent = {
  method: 'GET',
  url: '/?max-keys=2&prefix=J',
  headers: {
    ...HOST,
    ...by(PLAIN, '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'),
    ...DATE,
    'x-amz-content-sha256': EMPTY,
  },
};

export const PRESIGNED: Sent = {
  method: 'GET',
  url:
    '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256' +
    '&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
    '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
    '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  headers: HOST,
};

const FIRST = 'a'.repeat(65_536);
const SECOND = 'a'.repeat(1024);
export const CHUNKED_DATA = FIRST + SECOND;
const frame = (size: string, signature: string, data: string) =>
  `${size};chunk-signature=${signature}\r\n${data === '' ? '' : `${data}\r\n`}`;
const chunked = (payload: string) => ({
  host: 's3.amazonaws.com',
  ...DATE,
  'x-amz-storage-class': 'REDUCED_REDUNDANCY',
  'x-amz-content-sha256': payload,
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': '66560',
});

/** Chunks with their frames: two with data, and the last. */
export const CHUNKS = [
  frame('10000', 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648', FIRST),
  frame('400', '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497', SECOND),
  frame('0', 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9', ''),
] as const;

export const CHUNKED: Sent = {
  method: 'PUT',
  url: '/examplebucket/chunkObject.txt',
  headers: {
    ...chunked('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'),
    ...by(
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
      '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    ),
    'content-length': '66824',
  },
  body: `${CHUNKS.join('')}\r\n`,
};

export const TRAILER_CHUNKS = [
  frame('10000', 'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2', FIRST),
  frame('400', '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7', SECOND),
  frame('0', '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992', ''),
].join('');
export const TRAILERS =
  'x-amz-checksum-crc32c:sOO8/Q==\r\n' +
  'x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n';

export const CHUNKED_WITH_TRAILER: Sent = {
  method: 'PUT',
  url: '/examplebucket/chunkObject.txt',
  headers: {
    ...chunked('STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'),
    ...by(
      'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer',
      '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
    ),
    'x-amz-trailer': 'x-amz-checksum-crc32c',
  },
  body: `${TRAILER_CHUNKS}${TRAILERS}\r\n`,
};
