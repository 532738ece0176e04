import { expect, test } from 'vitest';
import { containerSpec } from '../../../../src/sandbox/docker/spec.ts';

const SETTINGS = {
  image: 'an/image',
  owner: { cluster: '/c', worker: '/c/workers/worker-0' },
  runtimeDir: '/runtime',
  packagesDir: '/c/packages',
  sandboxConfig: '{"a":1}',
  tmpMaxMb: 16,
  openFilesMax: 100,
};
const REQUEST = {
  sandboxId: 'f/1',
  uid: 70_000,
  codeDir: '/c/code/f',
  scratchDir: '/c/scratch',
  bounds: { memLimitMb: 64, procsMax: 8, cpuPercent: 50, fileMaxMb: 2 },
  network: 'none',
  word: '-',
};

test('a container has no power, and is bounded in all', () => {
  expect(containerSpec(SETTINGS, REQUEST)).toMatchObject({
    User: '70000:70000',
    HostConfig: {
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      NetworkMode: 'none',
      IpcMode: 'none',
      Memory: 64 * 1024 * 1024,
      MemorySwap: 64 * 1024 * 1024,
      PidsLimit: 8,
      NanoCpus: 500_000_000,
      Ulimits: [
        { Name: 'nofile', Soft: 100, Hard: 100 },
        { Name: 'fsize', Soft: 2 * 1024 * 1024, Hard: 2 * 1024 * 1024 },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
      Tmpfs: { '/tmp': expect.stringContaining('nosuid,nodev,size=16m') },
      LogConfig: { Type: 'none' },
    },
  });
});

test('only scratch space is writable, and nothing is made on the machine for a source that is missing', () => {
  const { HostConfig } = containerSpec(SETTINGS, REQUEST);
  expect(HostConfig?.Binds).toBeUndefined();
  const mounts = HostConfig?.Mounts?.map(({ Target, Source, ReadOnly }) => [Target, Source, ReadOnly]);
  expect(mounts).toEqual([
    ['/runtime', '/runtime', true],
    ['/handler', '/c/code/f', true],
    ['/packages', '/c/packages', true],
    ['/host', '/c/scratch', false],
  ]);
});

test('it is labelled with its cluster, its worker and its sandbox', () => {
  expect(containerSpec(SETTINGS, REQUEST).Labels).toEqual({
    'org.openlambda.cluster': '/c',
    'org.openlambda.worker': '/c/workers/worker-0',
    'org.openlambda.sandbox': 'f/1',
  });
});

test('on the network of the machine it has the name of the machine, as the daemon wants it', () => {
  expect(containerSpec(SETTINGS, { ...REQUEST, network: 'host' })).not.toHaveProperty('Hostname');
  expect(containerSpec(SETTINGS, REQUEST)).toHaveProperty('Hostname', 'sandbox');
});
