import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const RUNTIME = join(import.meta.dirname, '../../../runtime/python');
const FILES = globSync('*.py', { cwd: RUNTIME });

/** Grammar that is newer than the oldest Python that is served; ast.parse can be asked for that. */
const CHECK = `
import ast, sys
for path in sys.argv[1:]:
    with open(path, encoding='utf-8') as file:
        ast.parse(file.read(), path, feature_version=(3, 9))
`;

test('the runtime is written in the Python 3.9 that it promises to run on', () => {
  const paths = FILES.map((name) => join(RUNTIME, name));
  execFileSync('/usr/bin/python3', ['-I', '-c', CHECK, ...paths], { stdio: 'pipe' });
});

test('the runtime needs nothing but the standard library', () => {
  const imports = FILES.flatMap((name) =>
    [...readFileSync(join(RUNTIME, name), 'utf8').matchAll(/^\s*(?:import|from) ([\w.]+)/gm)].map(
      (match) => match[1] ?? '',
    ),
  );
  const own = FILES.map((name) => name.replace(/\.py$/, ''));
  const foreign = [...new Set(imports.map((name) => name.split('.')[0] ?? ''))].filter(
    (name) => !own.includes(name),
  );
  const known = execFileSync(
    '/usr/bin/python3',
    ['-I', '-c', 'import sys; print(" ".join(sys.stdlib_module_names))'],
    {
      encoding: 'utf8',
    },
  );
  expect(foreign.filter((name) => !known.trim().split(' ').includes(name))).toEqual([]);
});
