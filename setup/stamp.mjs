import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const STAMP = '.openlambda.json';
/** What npm itself writes when an installation is complete: the packages that are there. */
const NPM_LIST = '.package-lock.json';

/**
 * What `dir/node_modules` holds of `dir/package-lock.json`: 'all', 'production', or 'nothing' that can be relied on.
 * The stamp answers that quickly. It names npm's list as well, so that it stops counting when somebody runs npm by
 * hand; then the two lists are compared, and an installation made by hand is good enough.
 */
export function readTree(dir) {
  const modules = join(dir, 'node_modules');
  const lock = readIfThere(join(dir, 'package-lock.json'));
  const list = readIfThere(join(modules, NPM_LIST));
  if (lock === undefined || list === undefined) return 'nothing';
  const stamp = parse(readIfThere(join(modules, STAMP)));
  if (stamp?.lock === hash(lock) && stamp.tree === hash(list)) return stamp.dev ? 'all' : 'production';
  return compare(parse(lock), parse(list));
}

/** Says in `modules` that it is complete. The last step of an installation: what has no stamp is not relied on. */
export function writeStamp(modules, dir, dev) {
  const lock = hash(readFileSync(join(dir, 'package-lock.json'), 'utf8'));
  const tree = hash(readFileSync(join(modules, NPM_LIST), 'utf8'));
  const temporary = join(modules, `${STAMP}.${process.pid}.tmp`);
  const file = openSync(temporary, 'w');
  writeFileSync(file, `${JSON.stringify({ lock, dev, tree })}\n`);
  fsyncSync(file);
  closeSync(file);
  renameSync(temporary, join(modules, STAMP));
}

function compare(lock, list) {
  if (lock?.packages === undefined || list?.packages === undefined) return 'nothing';
  const wanted = Object.entries(lock.packages).filter(([path]) => path !== '');
  const isMissing = ([path, { version, integrity, optional }]) => {
    const found = list.packages[path];
    // An optional package may be absent: it is for another platform.
    return found === undefined ? !optional : found.version !== version || found.integrity !== integrity;
  };
  const missing = wanted.filter(isMissing);
  if (missing.length === 0) return 'all';
  return missing.every(([, { dev }]) => dev) ? 'production' : 'nothing';
}

function parse(text) {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // cut off or edited: as good as none
    throw error;
  }
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

export function hash(text) {
  return createHash('sha256').update(text).digest('hex');
}
