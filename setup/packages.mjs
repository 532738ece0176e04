import { installTree } from './install.mjs';
import { withLock } from './lock.mjs';
import { step } from './progress.mjs';
import { readTree } from './stamp.mjs';
import { ROOT } from './where.mjs';

/** Installs the packages of the lock file that are missing; `dev` asks for the development ones too. */
export async function ensurePackages({ dev }) {
  const label = dev ? 'Install packages, with those for tests' : 'Install packages';
  await ensureTree({ dir: ROOT, dev, label });
}

/** Makes `dir/node_modules` what `dir/package-lock.json` says; does and says nothing where it is that already. */
export async function ensureTree({ dir, dev, label }) {
  if (isEnough(readTree(dir), dev)) return;
  await withLock(async () => {
    const there = readTree(dir); // another set-up may have done it while we waited
    if (!isEnough(there, dev)) await step(label, () => installTree({ dir, dev, there }));
  });
}

function isEnough(there, dev) {
  return there === 'all' || (there === 'production' && !dev);
}
