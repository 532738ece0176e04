import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createLocalRegistry } from '../../../src/registry/local.ts';
import { silentLog } from '../../../src/telemetry/log.ts';

// A program of its own, to be run with fewer rights: for each line on standard input it pulls the function `f`, and
// prints what is in its files. `watches` bounds how many directories the kernel lets it watch.
const [registryDir = '', codeDir = '', watches = ''] = process.argv.slice(2);
if (watches !== '') writeFileSync('/proc/sys/user/max_inotify_watches', watches);
const registry = await createLocalRegistry({
  registryDir,
  codeDir,
  cacheMaxBytes: 2 ** 30,
  log: silentLog(),
});
process.stdout.write('ready\n');
for await (const _ of createInterface({ input: process.stdin })) {
  const pulled = registry.pull('f');
  const { dir } = await pulled;
  const content = ['lambda_func.py', 'a/data'].map((path) => readFileSync(join(dir, path), 'utf8'));
  process.stdout.write(`${JSON.stringify({ content, atOnce: !(pulled instanceof Promise) })}\n`);
}
await registry.close();
