import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startWriter } from '../linux/writer.ts';
import { type Setup, setUp } from './setup.ts';

test('while a file is being written the version before it is answered, and the new one once it is closed', async () => {
  const { at, put, pulled } = await setUp();
  await put('f/lambda_func.py', '# old');
  await pulled('f');
  const writer = await startWriter('half', at('f/lambda_func.py'), '# half', ' and half');
  expect(await pulled('f')).toBe('# old');
  expect(await pulled('f')).toBe('# old');
  await writer.finish();
  expect(await pulled('f')).toBe('# half and half');
});

test('a file that is only mapped for writing counts as being written', async () => {
  const { at, put, pulled, registry } = await setUp();
  await put('f/lambda_func.py', '# old');
  const before = await registry.pull('f');
  await put('f/data', 'x'.repeat(4096));
  const writer = await startWriter('map', at('f/data'));
  expect(await registry.pull('f')).toBe(before);
  await writer.finish();
  expect(await pulled('f', 'data')).toBe('x'.repeat(4096));
});

test('a new function that is half-written is waited for', async () => {
  const { at, put, pulled } = await setUp();
  await put('f/helper.py', '');
  const writer = await startWriter('half', at('f/lambda_func.py'), '# half', ' and half');
  const answer = pulled('f');
  await sleep(50);
  await writer.finish();
  expect(await answer).toBe('# half and half');
});

test('a new function whose writer does not end is busy, and names the file', async () => {
  const { at, put, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  await startWriter('half', at('f/data.bin'), 'half', '');
  await expect(registry.pull('f')).rejects.toMatchObject({
    code: 'ERR_CODE_BUSY',
    fields: { name: 'f', path: 'data.bin' },
  });
});

test('one function that is being written does not hold up another', async () => {
  const { at, put, pulled } = await setUp();
  await put('slow/helper.py', '');
  const writer = await startWriter('half', at('slow/lambda_func.py'), '# a', 'b');
  let ended = false;
  const slow = pulled('slow').finally(() => {
    ended = true;
  });
  await put('quick/lambda_func.py', '# quick');
  expect(await pulled('quick')).toBe('# quick');
  expect(ended).toBe(false);
  await writer.finish();
  await slow;
});

/** Pulls until the writer is done: every version has to be two equal halves, and the last one has to be the last. */
async function pullWhile(done: Promise<unknown>, { registry, pulled, codeDir }: Setup): Promise<number> {
  const state = { ended: false };
  const end = done.then(() => {
    state.ended = true;
  });
  const versions = new Set<string>();
  while (!state.ended) {
    const code = await registry.pull('f');
    const release = registry.retain(code);
    const lines = (await readFile(join(code.dir, 'lambda_func.py'), 'utf8')).split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe(lines[1]);
    versions.add(code.version);
    release();
    await sleep(1);
  }
  await end;
  expect((await pulled('f')).slice(0, 6)).toBe('000149');
  await registry.close();
  expect(readdirSync(join(codeDir, 'f'))).toHaveLength(1);
  return versions.size;
}

for (const how of ['rename', 'rewrite']) {
  test(`many edits by ${how} never give a torn file, and leave one copy`, async () => {
    const setup = await setUp();
    await setup.put('f/lambda_func.py', 'first\nfirst\n');
    await setup.registry.pull('f');
    const writer = await startWriter(how, setup.at('f/lambda_func.py'), '150');
    expect(await pullWhile(writer.done, setup)).toBeGreaterThan(5);
  });
}
