import { expect, test } from 'vitest';
import { CONTROLLERS, findPlace, type TreeV2 } from '../../../src/cgroup/v2-place.ts';

const TOP = '/sys/fs/cgroup';
const SERVICE = `${TOP}/system.slice/worker.service`;

/** A tree as a user's machine has it: seen whole, with all controllers given on by its root. */
function tree(
  own: string,
  { delegated = [], ...rest }: Partial<TreeV2> & { delegated?: string[] } = {},
): TreeV2 {
  return {
    top: TOP,
    own,
    isTopRoot: true,
    isDelegated: (dir) => delegated.includes(dir),
    controllers: () => CONTROLLERS,
    enabled: (dir) => (dir === TOP ? CONTROLLERS : []),
    ...rest,
  };
}

test('from a login session the place is below the root, and no process moves', () => {
  expect(findPlace(tree(`${TOP}/user.slice/session-1.scope`))).toMatchObject({
    parent: TOP,
    mustMove: false,
  });
});

test('from the root the place is the root, and no process moves', () => {
  expect(findPlace(tree(TOP))).toMatchObject({ parent: TOP, mustMove: false });
});

test('from a delegated group the place is that group, once its processes have moved', () => {
  expect(findPlace(tree(SERVICE, { delegated: [SERVICE] }))).toMatchObject({
    parent: SERVICE,
    mustMove: true,
  });
});

test('a second worker of a delegated group, which was moved with the first, takes the same place', () => {
  const enabled = () => CONTROLLERS;
  const second = tree(`${SERVICE}/openlambda-processes`, { delegated: [SERVICE], enabled });
  expect(findPlace(second)).toMatchObject({ parent: SERVICE, mustMove: false });
});

test("from the top of a container's tree the processes must move; where that is done, they stay", () => {
  const enabled = () => [];
  expect(findPlace(tree(TOP, { isTopRoot: false, enabled }))).toMatchObject({ parent: TOP, mustMove: true });
  expect(findPlace(tree(`${TOP}/init`, { isTopRoot: false }))).toMatchObject({
    parent: TOP,
    mustMove: false,
  });
});

test('a tree without the controllers is no place, and the missing ones are named', () => {
  const controllers = () => ['cpu', 'hugetlb'];
  expect(findPlace(tree(TOP, { controllers }))).toBe(
    `the cgroup v2 tree at ${TOP} does not have memory, pids`,
  );
});

test('a delegated group without the controllers does not stand in the way of the root', () => {
  const controllers = (dir: string) => (dir === TOP ? CONTROLLERS : ['pids']);
  const place = findPlace(tree(SERVICE, { delegated: [SERVICE], controllers }));
  expect(place).toMatchObject({ parent: TOP, mustMove: false });
});
