import { join } from 'node:path';
import { ensureDockerd } from './docker.mjs';
import { sentenceFor } from './failure.mjs';
import { launch } from './launch.mjs';
import { checkPlatform, checkReadyToServe } from './machine.mjs';
import { ensureNft } from './nft.mjs';
import { ensureNode } from './node.mjs';
import { ensurePackages } from './packages.mjs';
import { ensureTestTools } from './test-tools.mjs';
import { ensureUv } from './uv.mjs';
import { ROOT } from './where.mjs';

/** What can be run: its script, whether it needs the development packages, and what the machine must have. */
const TARGETS = {
  start: { argv: ['quickstart/start.ts'], dev: false, check: checkReadyToServe },
  test: { argv: ['test/run.ts'], dev: true, tools: true },
  'test:all': { argv: ['test/run-all.ts'], dev: true, tools: true, docker: true },
  'test:vm': { argv: ['test/vm/run.ts'], dev: true },
  soak: { argv: ['test/soak/run.ts'], dev: true },
  bench: { argv: ['bench/run.ts'], dev: false },
  check: { argv: ['test/run.ts', '--check'], dev: true },
  setup: { dev: false },
};

/** Sets up what `what` needs and runs it with `args`; sets the exit status of this process to its. */
export async function main([what, ...args]) {
  const target = Object.hasOwn(TARGETS, what ?? '') ? TARGETS[what] : undefined;
  if (target === undefined) {
    say(`usage: node setup/run.mjs ${Object.keys(TARGETS).join('|')} [args]`);
    process.exitCode = 2;
    return;
  }
  try {
    await run(target, args);
  } catch (error) {
    say(sentenceFor(error));
    process.exitCode = 1;
  }
}

async function run({ argv, dev, tools, docker, check }, args) {
  checkPlatform();
  check?.(); // before anything is fetched: a machine that cannot serve should say so at once
  const node = await ensureNode();
  await ensurePackages({ dev });
  await ensureUv();
  await ensureNft();
  if (tools) await ensureTestTools();
  if (docker) await ensureDockerdOrSay();
  if (argv === undefined) return;
  const [script, ...own] = argv;
  await launch(node, [join(ROOT, script), ...own, ...args]);
}

/** Without one, cells that need it are skipped. */
async function ensureDockerdOrSay() {
  const why = await ensureDockerd();
  if (why !== null) say(`Tests with Docker are skipped: ${why}.`);
}

function say(text) {
  process.stderr.write(`${text}\n`);
}
