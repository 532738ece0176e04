import { closeSync, existsSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as endOfTurn, setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { QUIET_MS } from '../../../src/registry/copy.ts';
import { type Setup, setUp } from './setup.ts';

/** Enough files that a reading takes some tens of milliseconds, so that the delays below fall into each part of it. */
const FILES = 60;
const DELAYS_MS = Array.from({ length: 10 }, (_, index) => index * 4);

async function setUpLarge(): Promise<Setup> {
  const setup = await setUp();
  await setup.put('f/lambda_func.py', '#');
  for (let count = 0; count < FILES; count += 1) await setup.put(`f/data/${count}`, 'x');
  await setup.put('f/aa', 'old');
  await setup.put('f/zz', 'old');
  await setup.registry.pull('f');
  return setup;
}

for (const path of ['aa', 'zz']) {
  test(`a pull that joins a reading sees an edit of ${path} that ended before it came`, async () => {
    const { at, put, pulled } = await setUpLarge();
    for (const delayMs of DELAYS_MS) {
      await put('f/lambda_func.py', `# ${delayMs}`);
      const first = pulled('f');
      await sleep(delayMs);
      writeFileSync(at('f', path), `new ${delayMs}`);
      expect(await pulled('f', path)).toBe(`new ${delayMs}`);
      await first;
    }
  });

  test(`a pull that joins a reading that a writer of ${path} is in the way of sees what it wrote`, async () => {
    const { at, put, pulled } = await setUpLarge();
    for (const delayMs of DELAYS_MS) {
      await put('f/lambda_func.py', `# ${delayMs}`);
      const file = openSync(at('f', path), 'w');
      writeSync(file, 'new');
      const first = pulled('f', path);
      await sleep(delayMs);
      writeSync(file, ` ${delayMs}`);
      closeSync(file);
      expect(await pulled('f', path)).toBe(`new ${delayMs}`);
      expect(await first).toMatch(/^(?:old|new \d+)$/);
    }
  });
}

test('a pull that joins a reading without a copy sees an edit that ended before it came', async () => {
  const { at, put, pulled } = await setUpLarge();
  const rouse = async () => {
    await put('f/temporary', '');
    await rm(at('f/temporary'));
  };
  for (let delayMs = 0; delayMs < 8; delayMs += 1) {
    await sleep(2 * QUIET_MS);
    await rouse();
    // Read again when it had been left alone: from now on a survey is enough to see that there is nothing to copy.
    await pulled('f');
    await rouse();
    const first = pulled('f');
    await sleep(delayMs);
    writeFileSync(at('f/aa'), `new ${delayMs}`);
    expect(await pulled('f', 'aa')).toBe(`new ${delayMs}`);
    await first;
  }
});

/** Returns when a reading has begun to remove what it copied: it has given up, and not answered yet. */
async function untilGivingUp(dir: string): Promise<void> {
  for (let most = 0; ; await endOfTurn()) {
    const staged = readdirSync(dir).find((name) => name.startsWith('.tmp-'));
    const count = staged === undefined ? 0 : countIn(join(dir, staged, 'data'));
    if (count < most) return;
    most = count;
  }
}

function countIn(dir: string): number {
  return existsSync(dir) ? readdirSync(dir).length : 0;
}

test('a pull that joins a reading that has just given up because of a writer sees what was written', async () => {
  const { at, put, pulled, codeDir } = await setUpLarge();
  for (let count = 0; count < 5; count += 1) {
    await put('f/lambda_func.py', `# ${count}`);
    const file = openSync(at('f/zz'), 'w');
    writeSync(file, 'new');
    const first = pulled('f');
    await untilGivingUp(join(codeDir, 'f'));
    writeSync(file, ` ${count}`);
    closeSync(file);
    expect(await pulled('f', 'zz')).toBe(`new ${count}`);
    await first;
  }
});
