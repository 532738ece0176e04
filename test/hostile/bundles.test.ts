import { afterAll, beforeAll, test } from 'vitest';
import { compressionBomb, HOSTILE_BUNDLES, millionEntries } from '../helpers/hostile-bundles.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { SLOWNESS } from '../helpers/poll.ts';
import { expectAnswer } from './attack.ts';
import { BucketSupply } from './bucket-supply.ts';
import { Stage, useStage } from './stage.ts';

leavesNothing();

let bucket: BucketSupply;
beforeAll(async () => {
  bucket = await BucketSupply.start();
});
const stage = useStage(async () => {
  const stage = await Stage.open({}, bucket);
  // The connections to a bucket are kept: so that there are as many before.
  await bucket.put('attacker', refusedBundle('no gzip'));
  await Promise.all(['attacker', 'victim', 'one', 'two', 'three'].map((name) => stage.invoke(name)));
  await stage.removeFunction('attacker');
  return stage;
});
afterAll(() => bucket[Symbol.asyncDispose]());

const refused = (reason: string) => ({ status: 500, text: new RegExp(`ERR_BUNDLE_REFUSED.*${reason}`) });

/** What a call waits for its code, `registry_timeout_ms`, and a second. */
const PULLED_IN_TIME_MS = 11_000 * SLOWNESS;

/** What is tried of each kind, by its title in the table; a test of the unpacker goes through all of it. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  traversal: ["a path with '..'", "'..' by GNU's long name", "'..' in the prefix"],
  'absolute names': ['an absolute path', 'an absolute path in a PAX header'],
  'a link, then a write through it': ['a link, then a write through it', 'a link, then a file in its place'],
  'hard links': [
    'a hard link to the outside',
    'a hard link through a link',
    'a hard link to an absolute path',
  ],
  'a link for packages.txt': [
    'packages.txt as a link to the outside',
    'packages.txt as a link to an absolute path',
    'packages.txt as a device',
  ],
  'a link for lambda_func.py': [
    'lambda_func.py as a link to the outside',
    'lambda_func.py as a link to itself',
    'a FIFO for lambda_func.py',
  ],
  devices: ['a character device', 'a block device', 'a FIFO'],
  'setuid bits': ['a set-user-id bit', 'a set-group-id bit', 'file capabilities'],
  truncation: ['a gzip that is cut off', 'a tar without its end', 'a size beyond the end'],
};

test.each(
  Object.entries(KINDS),
)('a bundle with %s is refused, and nobody is harmed', async (kind, titles) => {
  await stage.current.beside(kind, async () => {
    for (const title of titles) {
      await bucket.put('attacker', refusedBundle(title));
      await expectAnswer(stage.current, {}, refused(''));
    }
  });
});

test.each([
  ['a compression bomb', compressionBomb, 'compressed more than 200 to 1'],
  ['a million entries', millionEntries, 'it holds more than 100000 files'],
])('%s is refused long before all of it is unpacked, and nobody is harmed', async (title, make, reason) => {
  await bucket.put('attacker', make());
  await stage.current.beside(title, () =>
    expectAnswer(stage.current, {}, refused(reason), PULLED_IN_TIME_MS),
  );
});

function refusedBundle(title: string): Buffer {
  const [bundle] = HOSTILE_BUNDLES[title] ?? [];
  if (bundle === undefined) throw new Error(`the table has no '${title}'`);
  return bundle;
}
