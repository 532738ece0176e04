import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  clusterPaths,
  openCluster,
  realpathOf,
  workerIndex,
  workerPaths,
} from '../../../src/cluster/paths.ts';
import { useTempDir } from './temp-dir.ts';

const temp = useTempDir();

describe('paths of a cluster', () => {
  test('a worker has its files where the README says', () => {
    const worker = workerPaths(clusterPaths('/c'), 2);
    expect(worker).toEqual({
      name: 'worker-2',
      config: '/c/config/worker-2.json',
      log: '/c/logs/worker-2.out',
      pid: '/c/logs/worker-2.pid',
      dir: '/c/workers/worker-2',
      handlers: '/c/workers/worker-2/handlers',
      spares: '/c/workers/worker-2/spares',
      importCache: '/c/workers/worker-2/import-cache',
      code: '/c/workers/worker-2/code',
      pulled: '/c/workers/worker-2/pulled.json',
    });
  });

  test.each([
    ['worker-3', 3],
    ['worker-12.pid', 12],
    ['/c/workers/worker-0', 0],
    ['worker-', null],
    ['.worker-0.pid.17.1.tmp', null],
    ['my-worker-1', null],
  ])('the number of %s is %s', (name, index) => {
    expect(workerIndex(name)).toBe(index);
  });

  test('a path that is not there yet is resolved as far as it exists', async () => {
    mkdirSync(join(temp.dir, 'real'));
    symlinkSync('real', join(temp.dir, 'link'));
    expect(await realpathOf(join(temp.dir, 'link', 'a', 'b'))).toBe(join(temp.dir, 'real', 'a', 'b'));
  });

  test('a cluster is the same by a link and by its own path', async () => {
    mkdirSync(join(temp.dir, 'c', 'config'), { recursive: true });
    writeFileSync(join(temp.dir, 'c', 'config', 'template.json'), '{}');
    symlinkSync('c', join(temp.dir, 'l'));
    expect((await openCluster(join(temp.dir, 'l'))).root).toBe(join(temp.dir, 'c'));
  });

  test('a directory without a template is no cluster', async () => {
    await expect(openCluster(temp.dir)).rejects.toMatchObject({ code: 'ERR_CLUSTER_MISSING' });
  });
});
