import { existsSync } from 'node:fs';
import { SetupError } from './failure.mjs';
import { ensureTree } from './packages.mjs';
import { fetchedNode, isAtLeast, NODE_PACKAGE, OLDEST_FOR_TYPESCRIPT } from './where.mjs';

/** From the system requirements of Node's own builds for Linux. */
const OLDEST_GLIBC = [2, 28];

/** The path of a Node that runs TypeScript: this one where it is new enough, else one fetched from npm, once. */
export async function ensureNode() {
  if (isAtLeast(OLDEST_FOR_TYPESCRIPT)) return process.execPath;
  const node = fetchedNode();
  if (!existsSync(node)) checkBuildExists();
  await ensureTree({
    dir: NODE_PACKAGE,
    dev: false,
    label: `Fetch Node ${OLDEST_FOR_TYPESCRIPT} (this is ${process.versions.node}; 190 MB, once)`,
  });
  if (existsSync(node)) return node;
  // npm leaves out an optional package that it could not get, and calls that a success.
  throw new SetupError(`npm did not deliver ${node}: check the network or npm's registry, then try again.`);
}

function checkBuildExists() {
  const found = obstacle();
  if (found === undefined) return;
  throw new SetupError(
    `Node ${process.versions.node} is too old, and there is no newer build to fetch for ${found}: ` +
      `install Node ${OLDEST_FOR_TYPESCRIPT} or newer yourself, so that \`node\` in PATH is that one.`,
  );
}

function obstacle() {
  if (process.arch !== 'x64' && process.arch !== 'arm64') return `${process.arch} processors`;
  process.report.excludeNetwork = true; // else it resolves the names of open connections
  const { glibcVersionRuntime: glibc } = process.report.getReport().header;
  if (glibc === undefined) return 'a distribution without glibc (musl)';
  const [major, minor] = glibc.split('.').map(Number);
  const [oldMajor, oldMinor] = OLDEST_GLIBC;
  const isNewEnough = major > oldMajor || (major === oldMajor && minor >= oldMinor);
  return isNewEnough ? undefined : `glibc ${glibc} (it needs ${OLDEST_GLIBC.join('.')})`;
}
