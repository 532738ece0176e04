import { expect, test } from 'vitest';
import { shellWord, showPath } from '../../../src/cli/show.ts';
import { statusText } from '../../../src/cli/status-text.ts';
import type { WorkerReport } from '../../../src/cluster/report.ts';

const ready: WorkerReport = {
  name: 'worker-0',
  pid: 10,
  url: 'http://localhost:8080',
  log: '/c/logs/worker-0.out',
  ping: { status: 200, statusText: 'OK', text: 'ready' },
  sandboxes: [],
};
const sandbox = { function: 'hello', engine: 'sock', pid: 1234 };

test('a worker without sandboxes looks as in the README', () => {
  expect(statusText([{ cluster: '/c', registry: null, workers: [ready] }], { headings: false })).toBe(
    'Worker Pings:\n  http://localhost:8080/status => ready [200 OK]\n\nCluster containers:\n\n',
  );
});

test('each sandbox has a line, in columns', () => {
  const sandboxes = [
    { ...sandbox, id: 'hello/3', state: 'idle' as const, memoryKb: 9216, ageMs: 12_345 },
    { ...sandbox, id: 'a/12', state: 'busy' as const, memoryKb: 102_400, ageMs: 7_300_000 },
  ];
  const text = statusText([{ cluster: '/c', registry: null, workers: [{ ...ready, sandboxes }] }], {
    headings: false,
  });
  expect(text.split('\n').slice(3)).toEqual([
    'Cluster containers:',
    '  hello/3  idle  pid 1234  9.0 MB    12 s',
    '  a/12     busy  pid 1234  100.0 MB  2 h',
    '',
    '',
  ]);
});

test('a worker that does not answer says where to look, and clusters get headings', () => {
  const silent = { ...ready, ping: { error: 'ECONNREFUSED' } };
  const dead = { ...ready, pid: null, url: 'worker-1', ping: { error: 'it has ended' } };
  const text = statusText([{ cluster: '/c', registry: null, workers: [silent, dead] }], { headings: true });
  expect(text).toContain('Cluster /c\n\nWorker Pings:\n');
  expect(text).toContain(
    '  http://localhost:8080/status => no answer (ECONNREFUSED): see /c/logs/worker-0.out\n',
  );
  expect(text).toContain('  worker-1 => it has ended: see /c/logs/worker-0.out\n');
});

test('paths are shown as short as they are right, words as a shell takes them', () => {
  expect(showPath(`${process.cwd()}/a/b`)).toBe('a/b');
  expect(showPath('/nowhere/b')).toBe('/nowhere/b');
  expect(shellWord('my-cluster')).toBe('my-cluster');
  expect(shellWord("it's here")).toBe(`'it'\\''s here'`);
});
