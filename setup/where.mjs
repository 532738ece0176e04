/** Where things are, and which Node is new enough. Kept to old syntax: see `run.mjs`. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where `npm ci` puts the Node that the set-up fetches: its own small package, beside this file. */
export const NODE_PACKAGE = join(ROOT, 'setup', 'node');

/** What the set-up writes besides `node_modules`: its lock, and trees that are not complete yet. */
export const SETUP_CACHE = join(ROOT, '.cache', 'setup');

export const OLDEST_FOR_SETUP = 20;
/** The first release line that runs TypeScript as it is and is kept up for long. */
export const OLDEST_FOR_TYPESCRIPT = 24;

export function isAtLeast(major) {
  return Number(process.versions.node.split('.')[0]) >= major;
}

export function fetchedNode() {
  return join(NODE_PACKAGE, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
}
