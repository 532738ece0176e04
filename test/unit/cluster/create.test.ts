import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createCluster } from '../../../src/cluster/create.ts';
import { startTicks } from '../../../src/cluster/process.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { useTempDir } from './temp-dir.ts';

const temp = useTempDir();

test('a new cluster has the six directories and a template that is a valid config', async () => {
  const paths = await createCluster(join(temp.dir, 'c'));
  expect(readdirSync(temp.dir)).toEqual(['c']);
  expect(readdirSync(paths.root).sort()).toEqual([
    'base',
    'config',
    'logs',
    'packages',
    'registry',
    'workers',
  ]);
  const template = JSON.parse(readFileSync(paths.template, 'utf8'));
  expect(template).toMatchObject({
    cluster_name: paths.root,
    worker_port: '8080',
    registry_dir: paths.registry,
  });
  expect(template).not.toHaveProperty('worker_dir');
  expect(loadConfig(paths.template)).toMatchObject({ clusterDir: paths.root, sockBasePath: paths.base });
});

test.each([
  ['a directory', (path: string) => mkdirSync(path)],
  ['a file', (path: string) => writeFileSync(path, '')],
  ['a link to nowhere', (path: string) => symlinkSync('nowhere', path)],
])('%s that is there already is refused and untouched', async (_, make) => {
  make(join(temp.dir, 'c'));
  await expect(createCluster(join(temp.dir, 'c'))).rejects.toMatchObject({ code: 'ERR_CLUSTER_EXISTS' });
  expect(readdirSync(temp.dir)).toEqual(['c']);
});

test('a parent that is missing, or no directory, is one clear error', async () => {
  writeFileSync(join(temp.dir, 'f'), '');
  await expect(createCluster(join(temp.dir, 'a', 'b'))).rejects.toMatchObject({ code: 'ERR_NO_PARENT' });
  await expect(createCluster(join(temp.dir, 'f', 'b'))).rejects.toThrow();
  expect(readdirSync(temp.dir)).toEqual(['f']);
});

test('nothing is left of a cluster whose base image is refused, or that was interrupted', async () => {
  mkdirSync(join(temp.dir, 'image'));
  const made = createCluster(join(temp.dir, 'c'), { base: `dir:${join(temp.dir, 'image')}` });
  await expect(made).rejects.toMatchObject({ code: 'ERR_BASE_IMAGE' });
  const abort = AbortSignal.abort(new Error('interrupted'));
  await expect(createCluster(join(temp.dir, 'c'), { signal: abort })).rejects.toThrow('interrupted');
  expect(readdirSync(temp.dir)).toEqual(['image']);
});

test('what a killed one left is removed, what a running one builds is not', async () => {
  const running = `.c.new-${process.ppid}.${startTicks(process.ppid)}`;
  const kept = [running, '.c.new-x', '.cc.new-1.1'];
  for (const name of [...kept, `.c.new-${process.ppid}.1`])
    mkdirSync(join(temp.dir, name, 'base'), { recursive: true });
  await createCluster(join(temp.dir, 'c'));
  expect(readdirSync(temp.dir).sort()).toEqual([...kept, 'c'].sort());
});
