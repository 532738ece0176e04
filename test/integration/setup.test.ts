import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROOT, TinyCheckout } from '../helpers/checkout.ts';

let checkout: TinyCheckout;
beforeEach(async () => {
  checkout = await TinyCheckout.make();
});
afterEach(() => checkout.remove());

/** The visible packages of the checkout; null where there is no tree at all. */
async function packages(): Promise<string[] | null> {
  const names = await readdir(join(checkout.dir, 'node_modules')).catch(() => null);
  return names === null ? null : names.filter((name) => !name.startsWith('.'));
}

async function leftovers(): Promise<string[]> {
  const names = await readdir(join(checkout.dir, '.cache', 'setup'));
  return names.filter((name) => name !== 'lock');
}

/** Waits until the checkout has asked its server for `path`. */
async function asked(path: string): Promise<void> {
  while (!checkout.requests.includes(path)) await sleep(20);
}

describe('installing', () => {
  test('installs what is missing, and a second run says nothing', async () => {
    const first = await checkout.run('setup').ended;
    expect(first).toMatchObject({ status: 0, stderr: 'Install packages\n' });
    expect(await packages()).toEqual(['alpha']);
    expect(await checkout.run('setup').ended).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(await leftovers()).toEqual([]);
  });

  test('adds the development packages without touching those that are there', async () => {
    await checkout.run('setup').ended;
    const alpha = join(checkout.dir, 'node_modules', 'alpha', 'package.json');
    const before = await stat(alpha);
    expect(await checkout.run('check').ended).toMatchObject({ status: 0, stdout: 'ran --check\n' });
    expect(await packages()).toEqual(['alpha', 'beta']);
    expect((await stat(alpha)).ino).toBe(before.ino);
  });

  test('takes what somebody installed by hand as it is', async () => {
    await checkout.run('check').ended;
    await rm(join(checkout.dir, 'node_modules', '.openlambda.json'));
    expect(await checkout.run('check').ended).toMatchObject({ status: 0, stderr: '' });
  });

  test('repairs what a killed run left, and ends the npm that it left at work', async () => {
    checkout.stalled = true;
    const killed = checkout.run('check');
    await asked('/alpha.tgz');
    killed.kill('SIGKILL');
    await killed.ended;
    expect(await packages()).toBeNull();
    checkout.stalled = false;
    expect(await checkout.run('check').ended).toMatchObject({ status: 0 });
    expect(await packages()).toEqual(['alpha', 'beta']);
    expect(await leftovers()).toEqual([]);
  });

  test('two at once install once', async () => {
    const [one, other] = [checkout.run('check'), checkout.run('check')];
    expect([(await one.ended).status, (await other.ended).status]).toEqual([0, 0]);
    expect([...checkout.requests].sort()).toEqual(['/alpha.tgz', '/beta.tgz']);
  });

  test('a failure shows the words of npm, then one sentence, and leaves nothing', async () => {
    checkout.broken = true;
    const { status, stderr } = await checkout.run('setup').ended;
    expect(status).toBe(1);
    expect(stderr).toContain('404');
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^`npm ci` failed: mend what npm names above/);
    expect(await packages()).toBeNull();
    expect(await leftovers()).toEqual([]);
  });
});

describe('running', () => {
  test('passes arguments and the exit status on', async () => {
    await checkout.writeScript('console.log(...process.argv.slice(2)); process.exitCode = 7;');
    const ended = await checkout.run('test', 'a b', '--c').ended;
    expect(ended).toMatchObject({ status: 7, stdout: 'a b --c\n' });
  });

  test('passes signals on, and ends by the signal that ended the program', async () => {
    await checkout.writeScript(
      `process.on('SIGTERM', () => process.kill(process.pid, 'SIGKILL'));
       setInterval(() => {}, 1000); console.log('here');`,
    );
    const running = checkout.run('test');
    await running.printed('here');
    running.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ signal: 'SIGKILL' });
  });

  test('names what can be run when asked for something else', async () => {
    const { status, stderr } = await checkout.run('strat').ended;
    expect([status, stderr]).toEqual([
      2,
      'usage: node setup/run.mjs start|test|test:all|test:vm|soak|bench|check|setup [args]\n',
    ]);
  });
});

/** npm refuses a lock file that lacks the optional packages of other platforms, and writes such ones at times. */
test('the lock file names the optional packages of every platform', async () => {
  const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
  const entries: { optionalDependencies?: Record<string, string> }[] = Object.values(lock.packages);
  const wanted = entries.flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies));
  const paths = Object.keys(lock.packages);
  expect(wanted.filter((name) => !paths.some((path) => path.endsWith(`node_modules/${name}`)))).toEqual([]);
});
