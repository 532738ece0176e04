import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { IN, Inotify } from '../../../src/linux/inotify.ts';

const ALL = IN.MODIFY | IN.CLOSE_WRITE | IN.CREATE | IN.DELETE | IN.MOVED_FROM | IN.MOVED_TO | IN.DELETE_SELF;

function setUp(): { dir: string; inotify: Inotify } {
  const dir = mkdtempSync(join(tmpdir(), 'ol-inotify-'));
  const inotify = new Inotify();
  onTestFinished(() => {
    inotify.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return { dir, inotify };
}

test('draining without a change gives nothing', () => {
  const { dir, inotify } = setUp();
  inotify.watch(dir, ALL);
  expect(inotify.drain()).toEqual([]);
});

test('a change is told by the drain right after it, with its name', () => {
  const { dir, inotify } = setUp();
  const wd = inotify.watch(dir, ALL);
  writeFileSync(join(dir, 'größe.py'), 'x');
  const events = inotify.drain();
  expect(events.map(({ mask }) => mask)).toEqual([IN.CREATE, IN.MODIFY, IN.CLOSE_WRITE]);
  expect(new Set(events.map(({ name }) => name))).toEqual(new Set(['größe.py']));
  expect(new Set(events.map((event) => event.wd))).toEqual(new Set([wd]));
  expect(inotify.drain()).toEqual([]);
});

test('a move inside a directory gives both names', () => {
  const { dir, inotify } = setUp();
  writeFileSync(join(dir, 'a'), '');
  inotify.watch(dir, ALL);
  renameSync(join(dir, 'a'), join(dir, 'b'));
  expect(inotify.drain()).toMatchObject([
    { mask: IN.MOVED_FROM, name: 'a' },
    { mask: IN.MOVED_TO, name: 'b' },
  ]);
});

test('a directory that is removed takes its watch along, and ending that watch is no error', () => {
  const { dir, inotify } = setUp();
  const inner = join(dir, 'inner');
  mkdirSync(inner);
  const wd = inotify.watch(inner, ALL);
  rmSync(inner, { recursive: true });
  expect(inotify.drain()).toMatchObject([{ mask: IN.DELETE_SELF }, { mask: IN.IGNORED }]);
  inotify.unwatch(wd);
});

test('an ended watch tells nothing more', () => {
  const { dir, inotify } = setUp();
  inotify.unwatch(inotify.watch(dir, ALL));
  writeFileSync(join(dir, 'a'), '');
  expect(inotify.drain()).toMatchObject([{ mask: IN.IGNORED }]);
});

test('more events than one read holds are all drained at once', () => {
  const { dir, inotify } = setUp();
  inotify.watch(dir, IN.CREATE);
  const names = Array.from({ length: 3000 }, (_, index) => `${'n'.repeat(40)}${index}`);
  for (const name of names) writeFileSync(join(dir, name), '');
  expect(inotify.drain().map(({ name }) => name)).toEqual(names);
});

test('a queue that has overflowed says so', () => {
  const { dir, inotify } = setUp();
  inotify.watch(dir, IN.MODIFY);
  // Two files in turn: equal events one after the other are merged.
  const files = ['a', 'b'].map((name) => openSync(join(dir, name), 'w'));
  for (let count = 0; count < 20_000; count += 1) for (const file of files) writeSync(file, 'x');
  for (const file of files) closeSync(file);
  expect(inotify.drain().at(-1)).toMatchObject({ wd: -1, mask: IN.Q_OVERFLOW });
  expect(inotify.drain()).toEqual([]);
});

test('a path that is not there is named in the error', () => {
  const { dir, inotify } = setUp();
  expect(() => inotify.watch(join(dir, 'none'), ALL)).toThrow(
    /inotify_add_watch failed with ENOENT on .*none/,
  );
});

test('closing twice is once, and a closed one is not read', () => {
  const { inotify } = setUp();
  inotify.close();
  inotify.close();
  expect(() => inotify.drain()).toThrow(/EBADF/);
});
