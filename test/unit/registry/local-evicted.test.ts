import { existsSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { setUp } from './setup.ts';

const KB = 1024;

test('a function whose copy had to go is copied again by the next pull, an edit meanwhile included', async () => {
  const { registry, put, pulled } = await setUp({}, 10 * KB);
  await put('a/lambda_func.py', `# one ${'x'.repeat(6 * KB)}`);
  await put('b/lambda_func.py', `# two ${'x'.repeat(6 * KB)}`);
  const first = await registry.pull('a');
  await registry.pull('b');
  await vi.waitFor(() => expect(existsSync(first.dir)).toBe(false));
  expect(await pulled('a')).toMatch(/^# one/);
  await registry.pull('b');
  await put('a/lambda_func.py', '# three');
  expect(await pulled('a')).toBe('# three');
});

test('code that has no room beside what is in use is refused, and had once there is room', async () => {
  const { registry, put } = await setUp({}, 10 * KB);
  for (const name of ['a', 'b']) await put(`${name}/lambda_func.py`, `# ${'x'.repeat(6 * KB)}`);
  const release = registry.retain(await registry.pull('a'));
  await expect(registry.pull('b')).rejects.toMatchObject({ code: 'ERR_CODE_CACHE_FULL' });
  release();
  await expect(registry.pull('b')).resolves.toMatchObject({ name: 'b' });
});
