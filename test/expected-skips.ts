/** A test that a machine of the CI cannot run. Any other skip fails there. */
export interface ExpectedSkip {
  /** As the run lists it: `test/integration/x.test.ts > a title`. */
  readonly test: string;
  readonly reason: string;
}

const NO_V2 = 'its machines mount the controllers as v1 hierarchies; `npm run test:vm` runs it';

const NO_QUOTAS = 'the kernel of its machines has no quotas for ext4; `npm run test:vm` runs it';

const V2: readonly ExpectedSkip[] = [
  'the v2 cgroup driver > keeps its contract',
  'the pool of v2 cgroups > keeps its contract',
  'a delegated group on v2 > is used, once its processes have moved to a leaf',
].map((title) => ({ test: `test/contract/cgroup-v2.test.ts > ${title}`, reason: NO_V2 }));

const QUOTAS: readonly ExpectedSkip[] = ['user', 'project'].map((kind) => ({
  test: `test/integration/scratch-quota.test.ts > scratch space on a disk with quotas by ${kind} > is bounded by the kernel`,
  reason: NO_QUOTAS,
}));

const NO_DOCKER = 'its machines have no dockerd; the full matrix installs one';

const DOCKER: readonly ExpectedSkip[] = [
  'test/contract/sandbox-docker.test.ts > with a Docker daemon',
  'test/integration/docker-crash.test.ts > a Docker daemon that goes away',
  'test/integration/docker-images.test.ts > images',
  'test/integration/docker-life.test.ts > what outlives a worker with docker',
  'test/integration/docker-memory.test.ts > the memory of containers',
  'test/integration/docker-network.test.ts > the networks of containers',
  'test/integration/docker-refusals.test.ts > a worker with docker',
  'test/integration/docker-sandboxes.test.ts > a worker with docker',
  'test/integration/packages-pip.test.ts > with docker',
].map((title) => ({ test: `${title} > runs`, reason: NO_DOCKER }));

const CELLS: readonly ExpectedSkip[] = [
  'none/local',
  'none/embedded',
  'handler/local',
  'handler/embedded',
].map((cell) => ({
  test: `test/integration/matrix.test.ts > a worker > of the cell docker/${cell} has its code, its packages, and the caches that it should`,
  reason: NO_DOCKER,
}));

const SLOW: readonly ExpectedSkip[] = [
  {
    test: 'test/hostile/http.test.ts > slow headers and slow bodies are ended when their time is over',
    reason: 'it takes half a minute; `npm run test:hostile` runs it',
  },
];

const IPTABLES: readonly ExpectedSkip[] = [
  {
    test: 'test/integration/network-life.test.ts > the network of a worker > is said to be closed by the older iptables, which nft does not show, until that lets it through',
    reason: 'its machines need not have iptables; the full matrix installs it, with dockerd',
  },
];

const NO_NFT = 'its package manager could not install nftables';

const NFT: readonly ExpectedSkip[] = [
  'test/integration/network-life.test.ts > the network of a worker > runs',
  'test/integration/network-links.test.ts > a link to the router > runs',
  'test/integration/network-lists.test.ts > a worker with a network of its own > runs',
  'test/integration/network-reach.test.ts > sandboxes of a worker that has nothing said of a network > runs',
  'test/integration/setup-nft.test.ts > where nft is there the set-up does nothing and says nothing',
  ...['of the router', 'of the router with lists', 'of the machine', 'of the machine, twice', 'for none'].map(
    (which) => `test/unit/network/rules.test.ts > the rules > ${which} are taken by the kernel`,
  ),
].map((test) => ({ test, reason: NO_NFT }));

export const EXPECTED_SKIPS: readonly ExpectedSkip[] = [
  ...V2,
  ...QUOTAS,
  ...DOCKER,
  ...CELLS,
  ...SLOW,
  ...IPTABLES,
  ...NFT,
];
