import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  decodeEvent,
  type EntryKind,
  type ForkRequest,
  forkRequest,
  HOT_PAGES,
  IMAGE,
  type LinkRequest,
  linkRequest,
  MAX_FORKS,
  PING,
  ROOT_ID,
  rootRequest,
  type SandboxTask,
  startRequest,
  type ZygoteEvent,
  type ZygoteRequest,
  zygoteRequest,
} from '../../../src/sandbox/sock/control.ts';

interface RequestFixture {
  readonly title: string;
  /** Of a request to a zygote. */
  readonly entry?: EntryKind;
  readonly forks?: readonly ForkRequest[];
  /** Of a request to a forked sandbox. */
  readonly zygote?: ZygoteRequest;
  readonly link?: LinkRequest;
  readonly hot?: true;
  readonly image?: true;
  /** Of a request to PID 1: which root zygote it is. */
  readonly root?: number;
  readonly task?: SandboxTask;
  readonly lock?: string | null;
  readonly descriptors: number;
  readonly bytes: string;
}

interface EventFixture {
  /** A function of control.py, and its arguments. */
  readonly call: readonly unknown[];
  readonly event: ZygoteEvent;
}

interface Received {
  readonly words: readonly string[];
  readonly descriptors: readonly string[];
}

interface PythonSide {
  readonly received: readonly Received[];
  /** The same, by a system call that was prepared before. */
  readonly inboxed: readonly Received[];
  readonly told: readonly string[];
  readonly closed: readonly number[];
  readonly root_id: number;
  readonly start_bytes: number;
}

const ROOT = join(import.meta.dirname, '../../..');
const FIXTURES = join(ROOT, 'test/fixtures/control');
const requests: RequestFixture[] = JSON.parse(readFileSync(join(FIXTURES, 'requests.json'), 'utf8'));
const events: EventFixture[] = JSON.parse(readFileSync(join(FIXTURES, 'events.json'), 'utf8'));
const peer = ['-I', join(import.meta.dirname, 'control_peer.py'), join(ROOT, 'runtime/python'), FIXTURES];
const python: PythonSide = JSON.parse(
  execFileSync('/usr/bin/python3', ['-B', ...peer], { encoding: 'utf8' }),
);

test.each(
  requests.map((request, index) => ({ ...request, index })),
)('$title: both sides mean the same bytes', (request) => {
  const { bytes, descriptors, index } = request;
  expect(encode(request).toString()).toBe(bytes);
  const received = {
    words: bytes.trimEnd().split(' '),
    descriptors: Array.from({ length: descriptors }, (_, number) => String(number)),
  };
  expect(python.received[index]).toEqual(received);
  expect(python.inboxed[index]).toEqual(received);
});

function encode({ root, entry, forks, zygote, link, hot, image, task, lock }: RequestFixture): Buffer {
  if (root !== undefined) return rootRequest(root);
  if (link !== undefined) return linkRequest(link);
  if (hot) return HOT_PAGES;
  if (image) return IMAGE;
  if (entry === undefined && task === undefined) return PING;
  if (task !== undefined) return startRequest(task, lock ?? null);
  if (entry !== undefined && zygote !== undefined) return zygoteRequest(entry, zygote);
  if (entry === undefined || forks === undefined) throw new Error('a fixture is neither kind of request');
  return forkRequest(entry, forks);
}

test('a sandbox knows a request to start by its length', () => {
  const lengths = (is: 'start' | 'another') =>
    requests
      .filter(({ task }) => task !== undefined && (task === 'start') === (is === 'start'))
      .map(({ bytes }) => bytes.length);
  expect(Math.min(...lengths('start'))).toBe(python.start_bytes);
  expect(Math.max(...lengths('another'))).toBeLessThan(python.start_bytes);
});

test('both sides know the root zygote by the same id', () => {
  expect(python.root_id).toBe(ROOT_ID);
});

test('the largest request that is sent is among the fixtures', () => {
  expect(requests.some(({ forks }) => forks?.length === MAX_FORKS)).toBe(true);
});

test.each(
  events.map((fixture, index) => ({ ...fixture, index })),
)('$call: one line, which the worker reads as $event', ({ event, index }) => {
  const line = python.told[index] ?? '';
  expect(line).toMatch(/^[^\n]+\n$/);
  expect(decodeEvent(line)).toEqual(event);
});

test('every kind of event is among the fixtures', () => {
  const kinds: Record<ZygoteEvent['event'], true> = {
    fatal: true,
    launched: true,
    ready: true,
    pong: true,
    imaged: true,
    forked: true,
    waiting: true,
    started: true,
    failed: true,
    linked: true,
    imported: true,
    reaped: true,
    exit: true,
  };
  expect(new Set(events.map(({ event }) => event.event))).toEqual(new Set(Object.keys(kinds)));
});

test('the end of the other side is no words and no descriptors', () => {
  expect(python.closed).toEqual([0, 0]);
});
