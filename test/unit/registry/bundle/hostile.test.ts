import { expect, test } from 'vitest';
import { file, HOSTILE_BUNDLES, hard } from '../../../helpers/hostile-bundles.ts';
import { bundleOf } from '../../../helpers/tar-bytes.ts';
import { setUp, UNTOUCHED } from './setup.ts';

test.each(Object.entries(HOSTILE_BUNDLES))('%s is refused, and nothing is written anywhere', async (_, [
  bytes,
  reason,
]) => {
  const { unpack, check, untouched } = await setUp();
  const refusal = { code: 'ERR_BUNDLE_REFUSED', message: expect.stringMatching(pattern(reason)) };
  await expect(unpack(bytes)).rejects.toMatchObject(refusal);
  expect(await untouched()).toEqual(UNTOUCHED);
  await expect(check(bytes)).rejects.toMatchObject(refusal);
  expect(await untouched()).toEqual(UNTOUCHED);
});

function pattern(reason: RegExp | string): RegExp {
  if (typeof reason !== 'string') return reason;
  return new RegExp(`^the bundle of 'f' is refused: .*${RegExp.escape(reason)}`);
}

test('bytes and files beyond the bounds are refused on the way', async () => {
  const { unpack, untouched } = await setUp();
  const many = Array.from({ length: 20 }, (_, at) => file(`f${at}`));
  await expect(unpack(bundleOf(...many), { maxFiles: 10 })).rejects.toThrow('it holds more than 10 files');
  await expect(unpack(bundleOf(file('a/b/c/d/e/f')), { maxFiles: 5 })).rejects.toThrow('more than 5 files');
  await expect(unpack(bundleOf(file('a', 'x'.repeat(1000))), { maxBytes: 1000 })).rejects.toThrow(
    'more than 1000 bytes',
  );
  const copies = [file('a', 'x'.repeat(400)), hard('b', 'a'), hard('c', 'b')];
  await expect(unpack(bundleOf(...copies), { maxBytes: 1000 })).rejects.toThrow('more than 1000 bytes');
  expect(await untouched()).toEqual(UNTOUCHED);
});
