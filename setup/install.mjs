/**
 * Installing so that a half-made tree is never seen, not even after `kill -9`: npm installs beside the
 * checkout's tree, into a stage, and renames bring the result in. Whatever a killed run left behind has no
 * effect, and the next run removes it.
 */
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { endOrphan, runNpm } from './npm.mjs';
import { writeStamp } from './stamp.mjs';
import { ROOT, SETUP_CACHE } from './where.mjs';

const STAGE = 'stage-';

/** Installs what `dir/package-lock.json` names into `dir/node_modules`, where `there` says what is there (stamp.mjs). */
export async function installTree({ dir, dev, there }) {
  await removeStages();
  const stage = mkdtempSync(join(SETUP_CACHE, STAGE));
  try {
    await installInto(stage, dir, dev);
    const made = join(stage, 'node_modules');
    if (there === 'production') add(made, join(dir, 'node_modules'), dir, dev);
    else replace(made, join(dir, 'node_modules'), stage);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

async function removeStages() {
  mkdirSync(SETUP_CACHE, { recursive: true });
  for (const name of readdirSync(SETUP_CACHE).filter((entry) => entry.startsWith(STAGE))) {
    const stage = join(SETUP_CACHE, name);
    await endOrphan(stage);
    rmSync(stage, { recursive: true, force: true });
  }
}

async function installInto(stage, dir, dev) {
  for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(dir, name), join(stage, name));
  if (existsSync(join(ROOT, '.npmrc'))) copyFileSync(join(ROOT, '.npmrc'), join(stage, '.npmrc'));
  await runNpm(['ci', dev ? '--include=dev' : '--omit=dev', '--include=optional'], stage);
  mkdirSync(join(stage, 'node_modules'), { recursive: true });
  writeStamp(join(stage, 'node_modules'), stage, dev);
}

/** The stamp comes along with the tree; between the two renames there is no tree, and so none that is wrong. */
function replace(made, modules, stage) {
  if (existsSync(modules)) renameSync(modules, join(stage, 'replaced'));
  renameSync(made, modules);
}

/** Adds without taking anything away, since a worker may be running from what is there. */
function add(made, modules, dir, dev) {
  merge(made, modules);
  renameSync(join(made, '.package-lock.json'), join(modules, '.package-lock.json'));
  writeStamp(modules, dir, dev);
}

function merge(from, to) {
  for (const name of readdirSync(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    const found = lstatSync(target, { throwIfNoEntry: false });
    if (found === undefined) renameSync(source, target);
    else if (found.isDirectory()) merge(source, target);
  }
}
