import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { parseCompiled, storeCompiled } from '../../../../src/sandbox/sock/compiled-files.ts';
import { makeTestDir, removeEmptyRoot } from '../../../helpers/test-root.ts';

const RUNTIME = join(import.meta.dirname, '../../../../runtime/python');
const dirs: string[] = [];
let dir: string;

beforeEach(async () => {
  dir = await makeTestDir();
  dirs.push(dir);
});
afterAll(async () => {
  for (const one of dirs) rmSync(one, { recursive: true });
  await removeEmptyRoot();
});

function write(path: string, text: string | Buffer): void {
  mkdirSync(join(dir, path, '..'), { recursive: true });
  writeFileSync(join(dir, path), text);
}

/** What the runtime's compiler makes of `dir`. */
function compile(): Buffer {
  const program =
    'import sys; sys.path.insert(0, sys.argv[1]); import compiler; sys.stdout.buffer.write(compiler.compile_all(sys.argv[2]))';
  return execFileSync('/usr/bin/python3', ['-I', '-B', '-c', program, RUNTIME, dir]);
}

test('what can be compiled is stored where the interpreter finds it, and is used instead of its source', () => {
  write('lambda_func.py', 'import inner.one\nvalue = inner.one.value\n');
  write('inner/one.py', 'value = "one"\n');
  write('broken.py', 'def\n');
  write('nul.py', Buffer.from([0x61, 0]));
  write('data.txt', 'value = 1');
  const files = parseCompiled(compile());
  expect(files.map(({ source }) => source)).toEqual(['inner/one.py', 'lambda_func.py']);
  const tag = execFileSync('/usr/bin/python3', ['-c', 'import sys; print(sys.implementation.cache_tag)'], {
    encoding: 'utf8',
  });
  storeCompiled(dir, tag.trim(), files);
  // Not checked against its source: that cannot change in a version.
  write('inner/one.py', 'value = "two"\n');
  const program = 'import sys; sys.path.insert(0, sys.argv[1]); import lambda_func; print(lambda_func.value)';
  expect(execFileSync('/usr/bin/python3', ['-I', '-B', '-c', program, dir], { encoding: 'utf8' })).toBe(
    'one\n',
  );
});

test('a source that is deeper than the interpreter goes is left out', () => {
  write('deep.py', `x = ${'('.repeat(5000)}${')'.repeat(5000)}\n`);
  write('fine.py', 'x = 1\n');
  expect(parseCompiled(compile()).map(({ source }) => source)).toEqual(['fine.py']);
});

test.each([
  ['no line', 'rubbish'],
  ['no JSON', 'rubbish\n'],
  ['not a list', '{}\n'],
  ['a size that is none', '[["a.py", -1]]\n'],
  ['more than there is', '[["a.py", 2]]\nx'],
  ['less than there is', '[["a.py", 1]]\nxx'],
])('an answer with %s is refused', (_what, body) => {
  expect(() => parseCompiled(Buffer.from(body))).toThrow();
});

test('nothing is stored outside of the directory, through a link, or for what is no source in it', async () => {
  const outside = await makeTestDir();
  dirs.push(outside);
  writeFileSync(join(outside, 'a.py'), '');
  symlinkSync(outside, join(dir, 'link'));
  symlinkSync(join(outside, 'a.py'), join(dir, 'b.py'));
  write('c.txt', '');
  const content = Buffer.from('x');
  const sources = [
    'link/a.py',
    'b.py',
    'c.txt',
    'missing.py',
    '../a.py',
    `../${outside.split('/').at(-1)}/a.py`,
    '/a.py',
    './c.py',
    '',
  ];
  storeCompiled(
    dir,
    'tag',
    sources.map((source) => ({ source, content })),
  );
  expect(readdirSync(outside)).toEqual(['a.py']);
  expect(readdirSync(dir).sort()).toEqual(['b.py', 'c.txt', 'link']);
});

test('a directory that is gone stays gone', () => {
  const gone = join(dir, 'gone');
  storeCompiled(gone, 'tag', [{ source: 'a.py', content: Buffer.from('x') }]);
  expect(readdirSync(dir)).toEqual([]);
});

test('a file that is there already is replaced as a whole', () => {
  write('a.py', '');
  for (const text of ['one', 'two'])
    storeCompiled(dir, 'tag', [{ source: 'a.py', content: Buffer.from(text) }]);
  expect(readFileSync(join(dir, '__pycache__/a.tag.pyc'), 'utf8')).toBe('two');
  expect(readdirSync(join(dir, '__pycache__'))).toEqual(['a.tag.pyc']);
});
