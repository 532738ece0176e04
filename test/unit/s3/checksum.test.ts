import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CHECKSUM_ALGORITHMS, createDigest } from '../../../src/s3/body/checksum.ts';

/** Of the text `123456789`, as catalogues of CRCs and the standards of SHA give them. */
const PUBLISHED = {
  crc32: 'cbf43926',
  crc32c: 'e3069283',
  crc64nvme: 'ae8b14860a799888',
  sha1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  sha256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
};

test.each(CHECKSUM_ALGORITHMS)('%s gives the published value', (algorithm) => {
  const digest = createDigest(algorithm);
  digest.update(Buffer.from('123456789'));
  expect(Buffer.from(digest.digest('base64'), 'base64').toString('hex')).toBe(PUBLISHED[algorithm]);
});

test.each(CHECKSUM_ALGORITHMS)('%s is the same for the same bytes in other pieces', (algorithm) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 }), (pieces) => {
      const [whole, parts] = [createDigest(algorithm), createDigest(algorithm)];
      whole.update(Buffer.concat(pieces));
      for (const piece of pieces) parts.update(Buffer.from(piece));
      expect(parts.digest('base64')).toBe(whole.digest('base64'));
    }),
  );
});
