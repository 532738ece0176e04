import { expect, test } from 'vitest';
import { parseHierarchies, readHierarchies } from '../../../src/cgroup/tree.ts';

test('a machine with v2 alone: our own group is below its top', () => {
  const mounts = '29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n';
  const own = '/user.slice/user-0.slice/session-1.scope';
  expect(parseHierarchies(mounts, `0::${own}\n`)).toEqual([
    { version: 2, controllers: [], top: '/sys/fs/cgroup', own: `/sys/fs/cgroup${own}` },
  ]);
});

test('v1 hierarchies beside a v2 tree: each has its own place for us', () => {
  const mounts = [
    '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
    '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct',
    '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
    '40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd',
    '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
  ].join('\n');
  const membership = '4:memory:/a/b\n1:cpu,cpuacct:/\n9:name=systemd:/\n0::/c\n';
  expect(parseHierarchies(mounts, membership)).toEqual([
    {
      version: 1,
      controllers: ['cpu', 'cpuacct'],
      top: '/sys/fs/cgroup/cpu,cpuacct',
      own: '/sys/fs/cgroup/cpu,cpuacct',
    },
    { version: 1, controllers: ['memory'], top: '/sys/fs/cgroup/memory', own: '/sys/fs/cgroup/memory/a/b' },
    {
      version: 1,
      controllers: ['name=systemd'],
      top: '/sys/fs/cgroup/systemd',
      own: '/sys/fs/cgroup/systemd',
    },
    { version: 2, controllers: [], top: '/sys/fs/cgroup/unified', own: '/sys/fs/cgroup/unified/c' },
  ]);
});

test('a container that sees its own part of a hierarchy', () => {
  const mounts = '35 31 0:32 /docker/1234 /sys/fs/cgroup/memory ro master:16 - cgroup cgroup rw,memory';
  const [hierarchy] = parseHierarchies(mounts, '4:memory:/docker/1234/inner');
  expect(hierarchy).toMatchObject({ top: '/sys/fs/cgroup/memory', own: '/sys/fs/cgroup/memory/inner' });
});

test('a mount that does not show our own group is left out', () => {
  const mounts = '35 31 0:32 /docker/1234 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory';
  expect(parseHierarchies(mounts, '4:memory:/docker/5678')).toEqual([]);
});

test('spaces in a path, and colons in the name of a group', () => {
  const mounts = '29 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw';
  expect(parseHierarchies(mounts, '0::/a:b')).toMatchObject([{ own: '/my groups/a:b' }]);
});

test('without cgroups there is no hierarchy', () => {
  expect(parseHierarchies('22 1 8:1 / / rw - ext4 /dev/sda1 rw\n', '0::/\n')).toEqual([]);
});

test('this machine has some', () => {
  expect(readHierarchies().length).toBeGreaterThan(0);
});
