import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { clusterPaths, workerPaths } from '../../../src/cluster/paths.ts';
import { readPidFile } from '../../../src/cluster/pid-file.ts';
import { workerArgs, workerService } from '../../../src/cluster/service.ts';
import { useTempDir } from './temp-dir.ts';

const temp = useTempDir();

function worker(text?: string) {
  const paths = clusterPaths(temp.dir);
  mkdirSync(paths.logs, { recursive: true });
  if (text !== undefined) writeFileSync(workerPaths(paths, 0).pid, text);
  return workerPaths(paths, 0);
}

test('no file tells nothing', async () => {
  expect(await readPidFile(workerService(worker()))).toEqual({ kind: 'none' });
});

test('the number of nothing, or of another program, is stale', async () => {
  expect(await readPidFile(workerService(worker('4194305\n')))).toEqual({
    kind: 'stale',
    pid: 4194305,
    program: null,
  });
  expect(await readPidFile(workerService(worker('garbage')))).toEqual({
    kind: 'stale',
    pid: 0,
    program: null,
  });
  const other = await readPidFile(workerService(worker(`${process.pid}\n`)));
  expect(other).toMatchObject({ kind: 'stale', pid: process.pid, program: expect.any(String) });
});

test('a process that was started as this worker is believed, one for another worker is not', async () => {
  const { config } = worker();
  const child = spawn('/usr/bin/python3', ['-c', 'import time; time.sleep(60)', ...workerArgs(config)]);
  await once(child, 'spawn');
  await expect
    .poll(() => readPidFile(workerService(worker(`${child.pid}`))))
    .toMatchObject({ kind: 'running', process: { pid: child.pid } });
  const paths = clusterPaths(temp.dir);
  writeFileSync(workerPaths(paths, 1).pid, `${child.pid}`);
  expect((await readPidFile(workerService(workerPaths(paths, 1)))).kind).toBe('stale');
  child.kill();
  await once(child, 'exit');
});
