import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ChunkWriter, signHeaders } from '../../helpers/sigv4.ts';
import { KEYS, type Sent, TIME, verdict, verify } from './verify.ts';

const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
const UNSIGNED = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

function put(payload: string, extra: Record<string, string>): Sent {
  const sent = {
    method: 'PUT',
    url: '/a/b',
    headers: { host: 'localhost', 'x-amz-content-sha256': payload, ...extra },
  };
  return { ...sent, headers: signHeaders(sent, KEYS, { time: TIME }) };
}

const latin = fc.string({
  unit: fc.nat(127).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 300,
});
const splits = fc.array(fc.nat(40), { maxLength: 60 });

test('whatever chunks a body is cut into, and in whatever pieces these come, it is the same body', async () => {
  const { headers, ...sent } = put(SIGNED, {});
  await fc.assert(
    fc.asyncProperty(fc.array(latin, { maxLength: 10 }), splits, async (chunks, pieces) => {
      const writer = new ChunkWriter(headers.authorization ?? '', KEYS, TIME);
      const body = `${[...chunks, ''].map((data) => writer.chunk(data)).join('')}\r\n`;
      const taken = await verify({ ...sent, headers, body, pieces });
      expect(taken.toString()).toBe(chunks.join(''));
    }),
    { numRuns: 300 },
  );
});

test('what is no such body is refused, in the same words however it comes', async () => {
  const sent = put(UNSIGNED, { 'x-amz-trailer': 'x-amz-checksum-crc32' });
  const words = [
    '0',
    '1',
    'a',
    'ffffffffff',
    '\r\n',
    '\r',
    '\n',
    ';',
    ':',
    'x-amz-checksum-crc32:AAAAAA==',
    ';chunk-signature=',
    'x-amz-trailer-signature',
  ];
  const garbage = fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 10 })), {
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(garbage, splits, async (pieces, sizes) => {
      const body = pieces.join('');
      const whole = await verdict({ ...sent, body });
      expect(await verdict({ ...sent, body, pieces: sizes })).toBe(whole);
    }),
    { numRuns: 1000 },
  );
});

test.each([128, 129, 100_000])('a line of %i bytes is not waited for without end', async (length) => {
  const sent = put(UNSIGNED, { 'x-amz-trailer': 'x-amz-checksum-crc32' });
  expect(await verdict({ ...sent, body: '1'.repeat(length), pieces: [1, 100, 20] })).toBe(
    '400 IncompleteBody',
  );
});
