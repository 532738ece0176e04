import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { asNobody, NOBODY } from '../../helpers/nobody.ts';
import { type Setup, setUp } from './setup.ts';

const PROGRAM = join(import.meta.dirname, 'puller.ts');

/** Starts `puller.ts` by a command before it, and returns how to ask it for a pull. It ends with the test. */
async function startPuller({ registryDir, root }: Setup, uid: number, before: string[], after: string[]) {
  const codeDir = join(root, 'other-code');
  await mkdir(codeDir);
  await chown(codeDir, uid, uid);
  const [command = '', ...args] = [...before, process.execPath, PROGRAM, registryDir, codeDir, ...after];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  const { stdin, stdout } = child;
  if (!stdin || !stdout) throw new Error('the puller has no pipes');
  onTestFinished(async () => {
    stdin.end();
    await exit;
  });
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('ready');
  return async (): Promise<unknown> => {
    stdin.write('\n');
    return JSON.parse((await lines.next()).value ?? '');
  };
}

test('without the right to leases, files are read once they have been left alone for a while', async () => {
  const setup = await setUp();
  await chmod(setup.root, 0o755);
  await setup.put('f/lambda_func.py', '# a');
  await setup.put('f/a/data', 'x');
  const pull = await startPuller(setup, NOBODY, asNobody(), []);
  expect(await pull()).toEqual({ content: ['# a', 'x'], atOnce: false });
  expect(await pull()).toEqual({ content: ['# a', 'x'], atOnce: true });
  await setup.put('f/lambda_func.py', '# b');
  expect(await pull()).toEqual({ content: ['# b', 'x'], atOnce: false });
});

test('a function with more directories than can be watched is looked at in each pull', async () => {
  const setup = await setUp();
  await setup.put('f/lambda_func.py', '# a');
  await setup.put('f/a/data', 'x');
  const pull = await startPuller(setup, 0, ['unshare', '--user', '--map-root-user'], ['1']);
  expect(await pull()).toEqual({ content: ['# a', 'x'], atOnce: false });
  await setup.put('f/a/data', 'y');
  expect(await pull()).toEqual({ content: ['# a', 'y'], atOnce: false });
  expect(await pull()).toEqual({ content: ['# a', 'y'], atOnce: false });
});
