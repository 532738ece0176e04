import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { BENCHES } from '../../../bench/benches.ts';
import { configKeys } from '../../../src/config/schema.ts';

const ROOT = join(import.meta.dirname, '../../..');

interface Promised {
  readonly promise: string;
  readonly keptBy: string;
}

function readPromises(): Promised[] {
  const text = readFileSync(join(ROOT, 'SPECIFICATION.md'), 'utf8');
  const rows = [...text.matchAll(/^\| (?!promise |---)(.+) \| (.+) \|$/gm)];
  return rows.map(([, promise = '', keptBy = '']) => ({ promise, keptBy }));
}

const PROMISES = readPromises();

test('every promise is kept by a test or a bench, or is marked as pending', () => {
  expect(PROMISES.length).toBeGreaterThan(40);
  const loose = PROMISES.filter(({ keptBy }) => !/^(\[|bench `|pending: )/.test(keptBy));
  expect(loose).toEqual([]);
});

test.each(PROMISES)('$promise', ({ keptBy }) => {
  for (const [, title = '', path = ''] of keptBy.matchAll(/\[([^\]]+)\]\((test\/[^)]+)\)/g)) {
    expect(existsSync(join(ROOT, path)), `${path} is there`).toBe(true);
    if (title !== basename(path)) expect(readFileSync(join(ROOT, path), 'utf8')).toContain(title);
  }
  for (const [, name = ''] of keptBy.matchAll(/bench `([^`]+)`/g))
    expect(BENCHES.map((bench) => bench.name)).toContain(name);
});

test('every key that it names is one of the config', () => {
  const text = readFileSync(join(ROOT, 'SPECIFICATION.md'), 'utf8');
  const named = [...text.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)].map((match) => match[1] ?? '');
  const others = ['no_new_privs', 'server_pipe'];
  expect(named.filter((name) => !configKeys.includes(name as never) && !others.includes(name))).toEqual([]);
});
