import { fstatSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  addWritten,
  encodeRanges,
  HotPages,
  inBoth,
  pagesWritten,
  toRanges,
  writableAreas,
} from '../../../../src/sandbox/sock/hot-pages.ts';
import { silentLog } from '../../../../src/telemetry/log.ts';
import { until } from '../../../helpers/poll.ts';
import { startUnreaped } from '../../../helpers/unreaped.ts';

const MAPS = `00400000-00b56000 r-xp 00000000 fe:00 1 /usr/bin/python3.11
00b5f000-00c80000 rw-p 0075e000 fe:00 1 /usr/bin/python3.11
7f0000000000-7f0000002000 rw-p 00000000 00:00 0
7f0000002000-7f0000004000 ---p 00000000 00:00 0
7f0000010000-7f0000020000 rw-s 00000000 00:01 7 /memfd:shared (deleted)
7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]
`;

test('only what is private and may be written to is looked at', () => {
  expect(writableAreas(MAPS)).toEqual([
    { page: 0xb5f, count: 0x121 },
    { page: 0x7f0000000, count: 2 },
    { page: 0x7ffffffde, count: 0x21 },
  ]);
});

/** As /proc/<pid>/pagemap has them. */
const ENTRIES = {
  absent: 0n,
  own: (1n << 63n) | (1n << 56n) | 0x1234n,
  shared: (1n << 63n) | 0x1234n,
  ofFile: (1n << 63n) | (1n << 61n) | (1n << 56n) | 0x1234n,
  swapped: (1n << 62n) | (1n << 56n),
};

test('a page counts that is in memory, of no file, and of this process alone', () => {
  const { absent, own, shared, ofFile, swapped } = ENTRIES;
  const entries = Buffer.from(new BigUint64Array([own, absent, shared, own, ofFile, swapped, own]).buffer);
  const found: number[] = [7];
  addWritten(found, 100, entries);
  expect(found).toEqual([7, 100, 103, 106]);
});

test('pages that lie side by side are one range, in bytes for the zygote', () => {
  const ranges = toRanges([3, 4, 5, 7, 9, 10]);
  expect(ranges).toEqual([
    { page: 3, count: 3 },
    { page: 7, count: 1 },
    { page: 9, count: 2 },
  ]);
  expect([...new BigUint64Array(new Uint8Array(encodeRanges(ranges)).buffer)]).toEqual([
    12288n,
    12288n,
    28672n,
    4096n,
    36864n,
    8192n,
  ]);
});

test('there are at most 16 MB of them', () => {
  const many = Array.from({ length: 10_000 }, (_, index) => 2 * index);
  expect(toRanges(many)).toHaveLength(4096);
});

test('two sandboxes have to agree', () => {
  expect(inBoth([1, 2, 3, 8], [2, 3, 4, 8, 9])).toEqual([2, 3, 8]);
});

test('a process has written to some of its pages, and one that is gone is an error', async () => {
  const pages = await pagesWritten(process.pid);
  expect(pages.length).toBeGreaterThan(1000);
  expect(pages).toEqual([...new Set(pages)].sort((a, b) => a - b));
  await expect(pagesWritten(0x7fffffff)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('one that has ended and is still to be reaped is gone as well, and has not written to nothing', async () => {
  const { pid, parent } = await startUnreaped();
  try {
    process.kill(pid, 'SIGKILL');
    await until('zombie', () => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '));
    await expect(pagesWritten(pid)).rejects.toMatchObject({ code: 'ESRCH' });
  } finally {
    parent.kill('SIGKILL');
  }
});

test('two sandboxes are looked at, one after the other, and then the zygote is told', async () => {
  const told = Promise.withResolvers<number>();
  const warmUp = (file: number) => told.resolve(fstatSync(file).size);
  const hotPages = new HotPages({ zygote: { warmUp }, log: silentLog() });
  const first = hotPages.answered(process.pid);
  expect(hotPages.answered(process.pid)).toBe(null);
  await first;
  // One that ends is no second one.
  await hotPages.answered(0x7fffffff);
  await hotPages.answered(process.pid);
  expect(await told.promise).toBeGreaterThan(16);
  expect(hotPages.answered(process.pid)).toBe(null);
});
