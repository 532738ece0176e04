import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { findNft } from '../../src/network/nft.ts';
import { leavesNothing } from '../helpers/leftovers.ts';

leavesNothing();

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

/** Runs the set-up of nft twice, on a machine without it, as this user; what it says. The set-up's notes are its own. */
async function setUpWithout(nft: string | null, uid: number): Promise<string> {
  const code = `import(${JSON.stringify(`${ROOT}/setup/nft.mjs`)}).then(async (it) => { await it.ensureNft(); await it.ensureNft(); })`;
  const script =
    'set -e; mkdir -p "$1"; mount -t tmpfs -o mode=1777 none "$1"; if [ -n "$2" ]; then mount --bind /dev/null "$2"; fi; ' +
    'exec setpriv --reuid "$3" --clear-groups "$4" -e "$5"';
  const words = [join(ROOT, '.cache/setup'), nft ?? '', String(uid), process.execPath, code];
  const { stderr } = await run('unshare', [
    '--mount',
    '--propagation',
    'slave',
    'sh',
    '-c',
    script,
    'sh',
    ...words,
  ]);
  return stderr;
}

test('without nft and without root the set-up says so once, and goes on', async () => {
  expect(await setUpWithout(findNft(), 65_534)).toBe(
    'nft is not to be had, so functions have no network: install nftables for them to have one. Installing it needs root.\n',
  );
});

test('where nft is there the set-up does nothing and says nothing', async ({ skip }) => {
  skip(findNft() === null, 'nft is not installed here: `npm test` sees to it (setup/nft.mjs)');
  expect(await setUpWithout(null, 0)).toBe('');
});
