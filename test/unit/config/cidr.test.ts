import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Cidr, contains, parseCidr } from '../../../src/config/cidr.ts';

test.each([
  ['10.0.0.0/8', 4, '10.0.0.0', 8],
  ['0.0.0.0/0', 4, '0.0.0.0', 0],
  ['203.0.113.7', 4, '203.0.113.7', 32],
  ['2001:db8::/32', 6, '2001:db8::', 32],
  ['::/0', 6, '::', 0],
  ['::1', 6, '::1', 128],
  ['::ffff:1.2.3.0/120', 6, '::ffff:1.2.3.0', 120],
  ['1:2:3:4:5:6:7:8', 6, '1:2:3:4:5:6:7:8', 128],
])('%s is a range', (text, version, address, length) => {
  expect(parseCidr(text)).toEqual({ version, address, length });
});

test.each([
  '',
  '10.0.0.0/33',
  '10.0.0.1/8',
  '2001:db8::1/32',
  '::/129',
  '10.0.0/8',
  '010.0.0.0/8',
  '10.0.0.0/',
  '10.0.0.0/-1',
  '10.0.0.0/8 ',
  '10.0.0.0/8; drop',
  'example.com',
  'fe80::1%eth0',
  '1.2.3.4.5',
])('"%s" is none', (text) => {
  expect(parseCidr(text)).toBeNull();
});

const range = (text: string) => parseCidr(text) as Cidr;

test('a range is in another where each of its addresses is', () => {
  expect(contains(range('10.0.0.0/8'), range('10.255.0.0/16'))).toBe(true);
  expect(contains(range('10.0.0.0/8'), range('10.0.0.0/8'))).toBe(true);
  expect(contains(range('10.0.0.0/16'), range('10.0.0.0/8'))).toBe(false);
  expect(contains(range('10.0.0.0/8'), range('11.0.0.0/8'))).toBe(false);
  expect(contains(range('0.0.0.0/0'), range('::/0'))).toBe(false);
  expect(contains(range('fd00::/8'), range('fdff::1'))).toBe(true);
  expect(contains(range('2001:db8::/32'), range('2001:db9::/32'))).toBe(false);
});

test('an address is in every range that is made of its first bits', () => {
  const bits = fc.tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 32 }));
  const dotted = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
  fc.assert(
    fc.property(bits, ([value, length]) => {
      const start = length === 0 ? 0 : (value >>> (32 - length)) << (32 - length);
      expect(contains(range(`${dotted(start)}/${length}`), range(dotted(value)))).toBe(true);
    }),
  );
});
