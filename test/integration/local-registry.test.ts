import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { expectError } from '../helpers/errors.ts';
import { gateOf, gates } from '../helpers/gate.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { isStillThere, readProcess } from '../helpers/processes.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
const worker = useWorker(['gate'], { spare_sandboxes: 2 });

const returning = (value: number) => `def handler(event):\n    return ${value}\n`;

test('a function is there as soon as it is written, also one that was asked for before', async () => {
  const { cluster } = worker.current;
  expectError(await worker.current.call('new'), 'ERR_NO_FUNCTION');
  await cluster.writeFunction('new', returning(1));
  expect(await worker.current.result('new')).toBe(1);
});

test('each of a hundred edits in a row is picked up by the call right after it', async () => {
  const { cluster } = worker.current;
  for (let edit = 0; edit < 100; edit++) {
    // Half of them in place, as some editors save, and half by rename, as others do.
    if (edit % 2 === 0) await cluster.writeFunction('edited', returning(edit));
    else await cluster.replaceFunction('edited', returning(edit));
    expect(await worker.current.result('edited')).toBe(edit);
  }
});

test('edits under load lose no request, and none is answered by code older than the last edit before it', async () => {
  const { cluster } = worker.current;
  await cluster.writeFunction('loaded', returning(0));
  let finished = 0;
  let over = false;
  let answered = 0;
  const client = async () => {
    while (!over) {
      const before = finished;
      const value = await worker.current.result<number>('loaded');
      expect(value).toBeGreaterThanOrEqual(before);
      answered++;
    }
  };
  const clients = Promise.all(Array.from({ length: 8 }, client));
  clients.catch(() => {}); // told below
  for (let edit = 1; edit <= 40; edit++) {
    await cluster.replaceFunction('loaded', returning(edit));
    finished = edit;
    const target = answered + 5;
    await Promise.race([clients, until('answers', () => answered >= target)]);
  }
  over = true;
  await clients;
  expect(await worker.current.result('loaded')).toBe(40);
});

test('an edit while a request runs does not touch it; its sandbox goes when it is done', async () => {
  const { cluster } = worker.current;
  await cluster.addFixture('gate', 'running');
  const slow = worker.current.result('running', 'old');
  const gate = await gateOf(cluster.paths, 'running');
  const { pid } = await worker.current.sandbox('running');
  const process = readProcess(pid ?? 0);
  await cluster.replaceFunction('running', 'def handler(event): return "new"\n');
  expect(await worker.current.result('running', 0)).toBe('new');
  await gate.open();
  expect(await slow).toBe('old');
  await until('end of the old sandbox', () => process !== null && !isStillThere(process));
});

test('a removed function is 404, its sandboxes go, and it can be made again', async () => {
  const { cluster, client } = worker.current;
  await cluster.writeFunction('removed', returning(1));
  expect(await worker.current.result('removed')).toBe(1);
  await cluster.removeFunction('removed');
  expectError(await worker.current.call('removed'), 'ERR_NO_FUNCTION');
  await until('end of its sandboxes', async () =>
    (await client.sandboxes()).every(({ function: name }) => name !== 'removed'),
  );
  await cluster.writeFunction('removed', returning(2));
  expect(await worker.current.result('removed')).toBe(2);
});

test('a function whose handler file alone is removed is 404', async () => {
  const { cluster } = worker.current;
  await cluster.writeFunction('hollow', { 'lambda_func.py': returning(1), 'data.txt': 'x' });
  expect(await worker.current.result('hollow')).toBe(1);
  await rm(join(cluster.paths.registry, 'hollow/lambda_func.py'));
  expectError(await worker.current.call('hollow'), 'ERR_NO_FUNCTION');
});

test('a function that is broken by an edit is mended by the next one', async () => {
  const { cluster } = worker.current;
  await cluster.writeFunction('broken', returning(1));
  expect(await worker.current.result('broken')).toBe(1);
  await cluster.writeFunction('broken', 'def handler(event)\n');
  expect((await worker.current.call('broken')).body).toMatch(/syntax error/);
  await cluster.writeFunction('broken', returning(3));
  expect(await worker.current.result('broken')).toBe(3);
});

test('a whole function that is renamed into place is there at once', async () => {
  const { cluster } = worker.current;
  await cluster.writeFunction('.staged', {
    'lambda_func.py': 'import part\nhandler = part.handler\n',
    'part.py': returning(5),
  });
  await rename(join(cluster.paths.registry, '.staged'), join(cluster.paths.registry, 'staged'));
  expect(await worker.current.result('staged')).toBe(5);
});

test('the function’s other modules can be imported, packages too, and their edits are picked up', async () => {
  const { cluster } = worker.current;
  await cluster.writeFunction('modules', {
    'lambda_func.py':
      'import helper\nfrom package.inner import name\ndef handler(event): return [helper.VALUE, name]\n',
    'helper.py': 'VALUE = 1\n',
    'package/__init__.py': '',
    'package/inner.py': 'name = __name__\n',
  });
  expect(await worker.current.result('modules')).toEqual([1, 'package.inner']);
  await cluster.writeFunction('modules', { 'helper.py': 'VALUE = 2\n' });
  expect(await worker.current.result('modules')).toEqual([2, 'package.inner']);
});

test('data beside the code is read by a relative path, and below /handler', async () => {
  const { cluster } = worker.current;
  await cluster.writeFunction('data', {
    'lambda_func.py': python`
      import os
      def handler(event):
          beside = os.path.join(os.path.dirname(__file__), 'data/one.txt')
          return [open(path).read() for path in ('data/one.txt', '/handler/data/one.txt', beside)]
    `,
    'data/one.txt': 'ä',
  });
  expect(await worker.current.result('data')).toEqual(['ä', 'ä', 'ä']);
});

test.each([
  'random',
  'json',
  'server',
  'sandbox',
  'kernel',
  'token',
  'types2',
])('a module of the function that is called %s comes before any other of that name', async (name) => {
  await worker.current.cluster.writeFunction(`shadow-${name}`, {
    'lambda_func.py': `import ${name}\ndef handler(event): return [${name}.MINE, ${name}.__file__]\n`,
    [`${name}.py`]: 'MINE = True\n',
  });
  expect(await worker.current.result(`shadow-${name}`)).toEqual([true, `/handler/${name}.py`]);
});

test('a function may take the place of what the runtime itself uses, and is answered all the same', async () => {
  const names = ['json', 'traceback', 're', 'socket', 'struct', 'functools', 'contextlib'];
  await worker.current.cluster.writeFunction('shadows', {
    'lambda_func.py': python`
      ${names.map((name) => `import ${name}`).join('; ')}
      def handler(event):
          if event: raise ValueError('told')
          return [module.MINE for module in (${names.join(', ')})]
    `,
    ...Object.fromEntries(names.map((name) => [`${name}.py`, 'MINE = 1\n'])),
  });
  expect(await worker.current.result('shadows')).toEqual(names.map(() => 1));
  const { status, body } = await worker.current.call('shadows', true);
  expect(status).toBe(500);
  expect(body).toMatch(/ValueError: told/);
});

test('lambda_func is an ordinary module: it has a name, a file, and can be imported again', async () => {
  await worker.current.cluster.writeFunction('ordinary', {
    'lambda_func.py': python`
      import other
      class Kept: pass
      def handler(event):
          import lambda_func, pickle, inspect
          return [__name__, __file__, lambda_func.handler is handler, other.back() is lambda_func,
                  isinstance(pickle.loads(pickle.dumps(Kept())), Kept), inspect.getsource(Kept)]
    `,
    'other.py': 'def back():\n    import lambda_func\n    return lambda_func\n',
  });
  expect(await worker.current.result('ordinary')).toEqual([
    'lambda_func',
    '/handler/lambda_func.py',
    true,
    true,
    true,
    'class Kept: pass\n',
  ]);
});

test('state of a function lasts from call to call in one sandbox', async () => {
  await worker.current.cluster.writeFunction(
    'counter',
    'count = 0\ndef handler(event):\n    global count\n    count += 1\n    return count\n',
  );
  for (const expected of [1, 2, 3]) expect(await worker.current.result('counter')).toBe(expected);
});

test('as many sandboxes as requests at a time, and each serves one', async () => {
  const calls = Array.from({ length: 6 }, (_, value) => worker.current.result('gate', value));
  const all = await gates(worker.current.cluster.paths, 6);
  for (const gate of all) await gate.open();
  expect(await Promise.all(calls)).toEqual([0, 1, 2, 3, 4, 5]);
  for (const gate of all) expect(await gate.calls()).toHaveLength(1);
});
