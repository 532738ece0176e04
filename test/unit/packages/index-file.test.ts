import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { aboutPackage } from '../../../src/packages/index-file.ts';
import { useTempDir } from '../cluster/temp-dir.ts';

const temp = useTempDir();
const ONE = { name: 'flask', version: '3.0.0', dir: 'flask-3.0.0-1' };

const METADATA = `Metadata-Version: 2.1
Name: Flask
Requires-Dist: Werkzeug >=3.0.0
Requires-Dist: importlib-metadata>=3.6.0; python_version < "3.10"
Requires-Dist: typing_extensions[more] ; extra == "async"
Requires-Dist:Werkzeug
Requires-Python: >=3.8

Requires-Dist: not-a-header
`;

async function makePackage(): Promise<{ dir: string; metadata: string }> {
  const dir = join(temp.dir, ONE.dir);
  const info = join(dir, 'flask-3.0.0.dist-info');
  await mkdir(join(dir, 'flask'), { recursive: true });
  await mkdir(info);
  await writeFile(join(dir, '_flask.py'), '');
  return { dir, metadata: join(info, 'METADATA') };
}

test.each([
  '\n',
  '\r\n',
])('a package tells its modules, and by its metadata what it requires (%j)', async (end) => {
  const { metadata } = await makePackage();
  await writeFile(metadata, METADATA.replaceAll('\n', end));
  expect(await aboutPackage(temp.dir, ONE)).toEqual({
    modules: ['flask'],
    requires: ['importlib-metadata', 'typing-extensions', 'werkzeug'],
  });
});

test('a package without metadata does not tell what it requires', async () => {
  const { metadata } = await makePackage();
  expect(await aboutPackage(temp.dir, ONE)).toEqual({ modules: ['flask'], requires: null });
  await mkdir(metadata);
  expect(await aboutPackage(temp.dir, ONE)).toEqual({ modules: ['flask'], requires: null });
});

test('metadata that is a link is not followed', async () => {
  const { dir, metadata } = await makePackage();
  await writeFile(join(dir, 'elsewhere'), METADATA);
  await symlink(join(dir, 'elsewhere'), metadata);
  expect(await aboutPackage(temp.dir, ONE)).toEqual({ modules: ['flask'], requires: null });
});

test('a package that requires hundreds of others does not tell', async () => {
  const { metadata } = await makePackage();
  const required = (count: number) =>
    Array.from({ length: count }, (_, at) => `Requires-Dist: p${at}\n`).join('');
  await writeFile(metadata, required(300));
  expect((await aboutPackage(temp.dir, ONE)).requires).toHaveLength(300);
  await writeFile(metadata, required(301));
  expect((await aboutPackage(temp.dir, ONE)).requires).toBe(null);
});

test('a header without a value is not continued by the next one', async () => {
  const { metadata } = await makePackage();
  await writeFile(metadata, 'Requires-Dist:\nName: flask\n');
  expect((await aboutPackage(temp.dir, ONE)).requires).toEqual([]);
});

test('what comes after the first 256 KiB of metadata is not read', async () => {
  const { metadata } = await makePackage();
  await writeFile(metadata, `Requires-Dist: a\nSummary: ${'x'.repeat(256 * 1024)}\nRequires-Dist: b\n`);
  expect((await aboutPackage(temp.dir, ONE)).requires).toEqual(['a']);
});
