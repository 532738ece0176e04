import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CELLS, cellsNamed, nameOf, settingsOf, whyImpossible } from '../../matrix/cells.ts';
import { whyNotIn } from '../../matrix/rules.ts';
import { integrationFiles } from '../../matrix/run-cells.ts';
import { RULES } from '../../matrix/table.ts';

const ROOT = join(import.meta.dirname, '../../..');
const possible = CELLS.filter((cell) => whyImpossible(cell) === null);

describe('the table of what is run in which cell', () => {
  const named = RULES.flatMap(({ files, titles = [] }) => files.map((file) => [file, titles] as const));

  test.each(named)('names what there is in %s', (file, titles) => {
    const text = readFileSync(join(ROOT, `test/integration/${file}.test.ts`), 'utf8');
    for (const title of titles) expect(text).toContain(title);
  });

  test('has every rule keep something out of a cell', () => {
    const useless = RULES.filter(
      ({ files, titles }) =>
        !files.every((file) =>
          (titles ?? [undefined]).every((title) =>
            possible.some(
              (cell) => whyNotIn(RULES, cell, title === undefined ? { file } : { file, title }) !== null,
            ),
          ),
        ),
    );
    expect(useless).toEqual([]);
  });

  test('leaves something for every cell that there is', () => {
    for (const cell of possible) {
      const files = integrationFiles(ROOT).filter((file) => whyNotIn(RULES, cell, { file }) === null);
      expect([nameOf(cell), files.length >= 3]).toEqual([nameOf(cell), true]);
    }
  });

  test('a reason is given for a test in a cell that it means nothing in, and none elsewhere', () => {
    const [sock, docker] = [cellsNamed('sock/none/local')[0], cellsNamed('docker/handler/local')[0]];
    if (sock === undefined || docker === undefined) throw new Error('no such cell');
    const title = 'the first call of a sandbox is told as a cold start, the next ones as warm';
    expect(whyNotIn(RULES, sock, { file: 'worker-http', title })).toMatch(/without a handler cache/);
    expect(whyNotIn(RULES, docker, { file: 'worker-http', title })).toBeNull();
    expect(whyNotIn(RULES, docker, { file: 'isolation-files' })).toMatch(/sock/);
    expect(whyNotIn(RULES, sock, { file: 'isolation-files' })).toBeNull();
  });
});

describe('cells', () => {
  test('are those of each engine, each choice of caches, and each registry', () => {
    expect(CELLS).toHaveLength(24);
    expect(new Set(CELLS.map(nameOf)).size).toBe(24);
    expect(possible).toHaveLength(18);
  });

  test('have the caches that their name says', () => {
    const sizes = possible.map((cell) => [nameOf(cell).replace(/\/\w+$/, ''), settingsOf(cell)]);
    expect(Object.fromEntries(sizes)).toEqual({
      'sock/none': { sandbox: 'sock', handler_cache_size: 0, import_cache_size: 0 },
      'sock/handler': { sandbox: 'sock', import_cache_size: 0 },
      'sock/import': { sandbox: 'sock', handler_cache_size: 0 },
      'sock/both': { sandbox: 'sock' },
      'docker/none': { sandbox: 'docker', handler_cache_size: 0, import_cache_size: 0 },
      'docker/handler': { sandbox: 'docker', import_cache_size: 0 },
    });
  });

  test.each([
    ['docker', 12],
    ['sock/none', 3],
    ['*/both/rclone', 2],
    ['sock/none/local', 1],
    ['sox', 0],
  ])('%s are %i of them', (pattern, count) => {
    expect(cellsNamed(pattern)).toHaveLength(count);
  });
});
