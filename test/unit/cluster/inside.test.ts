import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolveInside } from '../../../src/cluster/inside.ts';
import { useTempDir } from './temp-dir.ts';

const temp = useTempDir();

test('links are followed as if the root were /', async () => {
  mkdirSync(join(temp.dir, 'usr', 'bin'), { recursive: true });
  writeFileSync(join(temp.dir, 'usr', 'bin', 'python3.11'), '');
  symlinkSync('/alternatives', join(temp.dir, 'usr', 'bin', 'python3'));
  symlinkSync('../../../../usr/bin/python3.11', join(temp.dir, 'alternatives'));
  symlinkSync('usr/bin', join(temp.dir, 'bin'));
  expect(await resolveInside(temp.dir, '/bin/python3')).toBe(join(temp.dir, 'usr', 'bin', 'python3.11'));
});

test('what leads to nothing, or round in a circle, is no file', async () => {
  symlinkSync('/etc/passwd', join(temp.dir, 'out'));
  symlinkSync('circle', join(temp.dir, 'circle'));
  writeFileSync(join(temp.dir, 'file'), '');
  expect(await resolveInside(temp.dir, '/out')).toBe(null);
  expect(await resolveInside(temp.dir, '/circle')).toBe(null);
  expect(await resolveInside(temp.dir, '/file/x')).toBe(null);
});
