import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { workerPaths } from '../../src/cluster/paths.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
// Each call gets a sandbox of its own.
const worker = useWorker([], { handler_cache_size: 0 });

function compiledFiles(name: string): string[] {
  const { code } = workerPaths(worker.current.cluster.paths, 0);
  return globSync(`${name}/*/**/*.pyc`, { cwd: code }).map((path) => join(code, path));
}

test('code that is used again is compiled once, its own modules as well, and goes on telling its lines', async () => {
  const { cluster } = worker.current;
  await cluster.writeFunction('again', {
    'lambda_func.py': python`
      import inner
      def handler(event):
          if event == 'fail': raise ValueError('here')
          return inner.VALUE
    `,
    'inner.py': 'VALUE = 1\n',
  });
  expect((await worker.current.call('again')).status).toBe(200);
  expect(compiledFiles('again')).toEqual([]);
  const files = await until('compiled files', async () => {
    expect((await worker.current.call('again')).status).toBe(200);
    const found = compiledFiles('again');
    return found.length === 2 && found;
  });
  const stamps = files.map((path) => statSync(path).mtimeMs);
  const failed = await worker.current.call('again', 'fail');
  expect([failed.status, failed.body]).toEqual([
    500,
    expect.stringContaining('lambda_func.py", line 3, in handler'),
  ]);
  expect(failed.body).toContain("raise ValueError('here')");
  for (let count = 0; count < 5; count++) await worker.current.call('again');
  expect(files.map((path) => statSync(path).mtimeMs)).toEqual(stamps);
});

test('an edit of code that has been compiled is picked up', async () => {
  const { cluster } = worker.current;
  await cluster.writeFunction('edited', 'def handler(event):\n    return 0\n');
  await until('compiled files', async () => {
    await worker.current.result('edited');
    return compiledFiles('edited').length > 0;
  });
  for (let edit = 1; edit <= 20; edit++) {
    await cluster.writeFunction('edited', `def handler(event):\n    return ${edit}\n`);
    for (let call = 0; call < 3; call++) expect(await worker.current.result('edited')).toBe(edit);
  }
});

test('what cannot be compiled is told as before, each time', async () => {
  await worker.current.cluster.writeFunction('broken', 'def handler(event)\n    return 1\n');
  for (let count = 0; count < 4; count++) {
    const { status, body } = await worker.current.call('broken');
    expect([status, body]).toEqual([
      500,
      expect.stringMatching(/^lambda_func.py cannot be loaded: syntax error/),
    ]);
  }
});
