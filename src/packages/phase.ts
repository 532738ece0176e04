import type { LockedPackage } from './lock.ts';

/** Names more than this are not read by anybody. */
const NAMED = 5;

/** What is done about packages at the moment, for whoever waits for them. */
export const phases = {
  waiting: () => 'waiting for somebody else who installs the same',
  resolving: (isBuilding: boolean) =>
    isBuilding
      ? 'resolving versions, of packages that have to be built to tell what they need'
      : 'resolving versions',
  installing: (packages: readonly LockedPackage[], isBuilding: boolean) =>
    `${isBuilding ? 'building' : 'installing'} ${listed(packages)}`,
};

function listed(packages: readonly LockedPackage[]): string {
  const names = packages.map(({ name, version }) => `${name} ${version}`);
  const more = names.length - NAMED;
  return more <= 0 ? names.join(', ') : `${names.slice(0, NAMED).join(', ')} and ${more} more`;
}
