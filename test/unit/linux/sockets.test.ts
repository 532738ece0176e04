import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  connectUnix,
  isReceiverGone,
  listenUnix,
  receiveWithFds,
  sendWithFds,
  seqpacketPair,
} from '../../../src/linux/sockets.ts';
import { useTempDir } from '../cluster/temp-dir.ts';

const temp = useTempDir();

function pair(): [number, number] {
  const ends = seqpacketPair();
  onTestFinished(() => {
    for (const fd of ends) if (isOpen(fd)) closeSync(fd);
  });
  return ends;
}

function isOpen(fd: number): boolean {
  return existsSync(`/proc/self/fd/${fd}`);
}

test('messages keep their bounds and their order', () => {
  const [one, two] = pair();
  for (const text of ['first', 'second']) sendWithFds(one, Buffer.from(text), []);
  expect(receiveWithFds(two)?.message.toString()).toBe('first');
  expect(receiveWithFds(two)?.message.toString()).toBe('second');
  expect(receiveWithFds(two)).toBeNull();
});

test('a descriptor that is sent means the same file on the other side, and is closed on exec', () => {
  const [one, two] = pair();
  const file = openSync(import.meta.filename, 'r');
  sendWithFds(one, Buffer.from('x'), [file]);
  closeSync(file);
  const [received = -1] = receiveWithFds(two)?.fds ?? [];
  const start = Buffer.alloc(6);
  readSync(received, start, 0, 6, 0);
  expect(start.toString()).toBe('import');
  expect(
    Number.parseInt(
      /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${received}`, 'utf8'))?.[1] ?? '',
      8,
    ) & 0o2000000,
  ).not.toBe(0);
  closeSync(received);
});

test('several descriptors come in their order, an odd number of them too', () => {
  const [one, two] = pair();
  const files = ['a', 'b', 'c'].map((name) => openSync(join(temp.dir, name), 'w'));
  sendWithFds(one, Buffer.from('three'), files);
  const { message, fds } = receiveWithFds(two) ?? { message: Buffer.alloc(0), fds: [] };
  expect(message.toString()).toBe('three');
  expect(fds.map((fd) => fstatSync(fd).ino)).toEqual(files.map((fd) => fstatSync(fd).ino));
  for (const fd of [...files, ...fds]) closeSync(fd);
});

test('the end of the other side is an empty message, and a send to it says that nobody is there', () => {
  const [one, two] = pair();
  closeSync(two);
  expect(receiveWithFds(one)).toMatchObject({ message: Buffer.alloc(0), fds: [] });
  const send = () => sendWithFds(one, Buffer.from('x'), []);
  expect(send).toThrow(/^sendmsg failed with EPIPE/);
  try {
    send();
  } catch (error) {
    expect(isReceiverGone(error)).toBe(true);
  }
  expect(isReceiverGone(new Error('EPIPE'))).toBe(false);
});

test('a listening socket takes a connection before anybody accepts it', () => {
  const path = join(temp.dir, 'socket');
  const fds = [listenUnix(path, 8), connectUnix(path), connectUnix(path)];
  expect(existsSync(path)).toBe(true);
  for (const fd of fds) closeSync(fd);
});

test.each([
  [
    'a path that is taken',
    () => [listenUnix(join(temp.dir, 'taken'), 1), listenUnix(join(temp.dir, 'taken'), 1)],
    /^bind failed with EADDRINUSE on .*taken/,
  ],
  [
    'a path where nobody listens',
    () => [connectUnix(join(temp.dir, 'none'))],
    /^connect failed with ENOENT on .*none/,
  ],
  ['a path in no directory', () => [listenUnix(join(temp.dir, 'no/socket'), 1)], /^bind failed with ENOENT/],
  ['a path that is too long', () => [connectUnix(`/${'x'.repeat(107)}`)], /longer than 107 bytes/],
])('%s is told with call, errno and path, and leaves no descriptor', (_what, make, expected) => {
  const first = openSync('/dev/null', 'r');
  closeSync(first);
  expect(make).toThrow(expected);
  const next = openSync('/dev/null', 'r');
  closeSync(next);
  // The first of two that listen stays open.
  expect(next - first).toBeLessThanOrEqual(1);
  if (next !== first) closeSync(first);
});

test('a deep directory is reached over its descriptor', () => {
  const deep = join(temp.dir, 'd'.repeat(100), 'e'.repeat(100));
  mkdirSync(deep, { recursive: true });
  const dir = openSync(deep, 'r');
  const fds = [listenUnix(`/proc/self/fd/${dir}/socket`, 1), connectUnix(`/proc/self/fd/${dir}/socket`)];
  expect(existsSync(join(deep, 'socket'))).toBe(true);
  for (const fd of [dir, ...fds]) closeSync(fd);
});
