import { expect, test } from 'vitest';
import { readInterpreter } from '../../../../src/sandbox/docker/about.ts';
import { endOf } from '../../../../src/sandbox/docker/container.ts';

const FINE = endOf(0, false);

test('what a container tells of its Python is what compiled files depend on', () => {
  expect(readInterpreter('i', FINE, '3.11 cpython-311', '')).toBe(`cpython-311-${process.arch}`);
});

test.each([
  ['too old', FINE, '3.8 cpython-38', '', /3\.8, and 3\.9 or newer/],
  ['one that says nothing', FINE, '', '', /does not run/],
  ['one that fails', endOf(1, false), '', 'Traceback\nImportError: no', /exit code 1\): ImportError: no/],
  ['one that crashes', endOf(139, false), '', '', /SIGSEGV/],
])('a Python that is no use is refused: %s', (_, end, stdout, stderr, said) => {
  expect(() => readInterpreter('an/image', end, stdout, stderr)).toThrow(said);
});

test.each([
  [0, { code: 0, signal: null }],
  [3, { code: 3, signal: null }],
  [137, { code: null, signal: 'SIGKILL' }],
  [139, { code: null, signal: 'SIGSEGV' }],
  [255, { code: 255, signal: null }],
])('the status %i of a container is understood', (status, end) => {
  expect(endOf(status, false)).toMatchObject(end);
});
