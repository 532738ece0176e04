/**
 * `node setup/run.mjs start|test|test:all|test:vm|soak|bench|check|setup [args]`: does the set-up that is missing, then runs the thing.
 * This file and `where.mjs` are read by whatever Node the machine has, so they keep to what every Node with
 * ES modules understands; the rest of this directory is plain JavaScript for Node 20.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fetchedNode, isAtLeast, OLDEST_FOR_SETUP } from './where.mjs';

if (isAtLeast(OLDEST_FOR_SETUP)) {
  void import('./main.mjs').then((setup) => setup.main(process.argv.slice(2)));
} else if (existsSync(fetchedNode())) {
  runOnFetchedNode();
} else {
  process.stderr.write(
    `Node ${process.versions.node} is too old for the set-up, which needs ${OLDEST_FOR_SETUP}: ` +
      'run ./quickstart/deps.sh, which fetches a newer one, then try again.\n',
  );
  process.exitCode = 1;
}

function runOnFetchedNode() {
  const argv = [fileURLToPath(import.meta.url)].concat(process.argv.slice(2));
  const { status, signal, error } = spawnSync(fetchedNode(), argv, { stdio: 'inherit' });
  if (error) throw error;
  if (signal) process.kill(process.pid, signal);
  else process.exitCode = status;
}
