import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  link as linkHard,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { checkBundle } from '../../../../src/registry/bundle/check.ts';
import { packDirectory } from '../../../../src/registry/bundle/pack.ts';
import { unpackBundle } from '../../../../src/registry/bundle/unpack.ts';
import { createLocalRegistry } from '../../../../src/registry/local.ts';
import { silentLog } from '../../../../src/telemetry/log.ts';
import { bundleOf, gnuLong, HANDLER, paxEntry, paxRecord, tarOf } from '../../../helpers/tar-bytes.ts';
import { setUp, UNTOUCHED } from './setup.ts';

const LONG = `${'long/'.repeat(25)}${'n'.repeat(200)}.txt`;

/** A function with all that one may hold, in `<root>/registry/f`. */
async function writeFunction(root: string): Promise<string> {
  const dir = join(root, 'registry', 'f');
  const files = {
    'lambda_func.py': '#',
    'bin/tool': '#!/bin/sh\n',
    'data/empty': '',
    'ä/ü "x"': '?',
    [LONG]: 'l',
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  }
  await writeFile(join(dir, 'data/big'), Buffer.alloc(1_500_000, 'abcdefghijk\n'));
  await mkdir(join(dir, 'hollow'));
  await chmod(join(dir, 'bin/tool'), 0o700);
  await symlink('../data', join(dir, 'bin/data'));
  await symlink(LONG, join(dir, 'way'));
  await linkHard(join(dir, 'data/big'), join(dir, 'data/same'));
  for (const skipped of ['__pycache__/x.pyc', '.git/config', 'data/.big.swp', 'only/left~']) {
    await mkdir(dirname(join(dir, skipped)), { recursive: true });
    await writeFile(join(dir, skipped), 'left out');
  }
  return dir;
}

async function localVersion(root: string) {
  const registryDir = join(root, 'registry');
  const registry = await createLocalRegistry({
    registryDir,
    codeDir: join(root, 'code'),
    cacheMaxBytes: 2 ** 30,
    log: silentLog(),
  });
  try {
    return await registry.pull('f');
  } finally {
    await registry.close();
  }
}

/** Every path with its kind, mode, content or target. */
async function contentOf(dir: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const path of (await readdir(dir, { recursive: true })).sort()) {
    const stat = await lstat(join(dir, path));
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) found[path] = `link ${await readlink(join(dir, path))}`;
    else if (stat.isDirectory()) found[path] = `directory ${mode}`;
    else found[path] = `file ${mode} ${stat.nlink} ${await readFile(join(dir, path), 'utf8')}`;
  }
  return found;
}

/** Packs with programs that people have. */
const PACKERS: Readonly<Record<string, (dir: string, to: string) => void>> = {
  'GNU tar': (dir, to) => void execFileSync('tar', ['czf', to, '-C', dir, '.']),
  'GNU tar in the form of POSIX': (dir, to) =>
    void execFileSync('tar', ['czf', to, '--format=posix', '-C', dir, '.']),
  "Python's tarfile": (dir, to) => {
    const code =
      'import sys, tarfile\nwith tarfile.open(sys.argv[2], "w:gz") as t: t.add(sys.argv[1], arcname="")';
    execFileSync('/usr/bin/python3', ['-I', '-c', code, dir, to]);
  },
};

test.each(
  Object.entries(PACKERS),
)('what %s packs has the version and the files of the local registry', async (_, pack) => {
  const { root, into } = await setUp();
  const dir = await writeFunction(root);
  const code = await localVersion(root);
  pack(dir, join(root, 'f.tar.gz'));
  const unpacked = await unpackBundle(join(root, 'f.tar.gz'), { into, name: 'f' });
  expect(unpacked).toMatchObject({ version: code.version });
  expect(await contentOf(into)).toEqual(await contentOf(code.dir));
  expect(await checkBundle(join(root, 'f.tar.gz'), { name: 'f' })).toBe(code.version);
});

test('what we pack has the version of the local registry, and GNU tar and Python read the same in it', async () => {
  const { root, into } = await setUp();
  const dir = await writeFunction(root);
  const code = await localVersion(root);
  const to = join(root, 'f.tar.gz');
  await packDirectory(dir, to, { name: 'f' });
  expect(await unpackBundle(to, { into, name: 'f' })).toMatchObject({ version: code.version });
  const expected = await contentOf(into);
  const gnu = join(root, 'gnu');
  await mkdir(gnu);
  execFileSync('tar', ['xzf', to, '-C', gnu]);
  expect(await contentOf(gnu)).toEqual(expected);
  const code2 = 'import sys, tarfile\nwith tarfile.open(sys.argv[1]) as t: t.extractall(sys.argv[2])';
  execFileSync('/usr/bin/python3', ['-I', '-c', code2, to, join(root, 'py')]);
  expect(await contentOf(join(root, 'py'))).toEqual(expected);
});

test('the same content packs to the same bytes, whatever its times, owner and modes', async () => {
  const { root } = await setUp();
  const dir = await writeFunction(root);
  await packDirectory(dir, join(root, 'one'), { name: 'f' });
  await utimes(join(dir, 'lambda_func.py'), 1, 1);
  await chmod(join(dir, 'lambda_func.py'), 0o600);
  await writeFile(join(dir, 'lambda_func.py~'), 'a backup');
  await packDirectory(dir, join(root, 'two'), { name: 'g' });
  expect(await readFile(join(root, 'one'))).toEqual(await readFile(join(root, 'two')));
});

test('what the local registry refuses is not packed', async () => {
  const { root } = await setUp();
  const dir = await writeFunction(root);
  await symlink('/etc/passwd', join(dir, 'out'));
  await expect(packDirectory(dir, join(root, 'to'), { name: 'f' })).rejects.toMatchObject({
    code: 'ERR_CODE_REFUSED',
  });
});

test('a file that is there is not written over by packing', async () => {
  const { root, canary, untouched } = await setUp();
  await expect(packDirectory(root, canary, { name: 'f' })).rejects.toMatchObject({ code: 'EEXIST' });
  expect(await untouched()).toEqual(UNTOUCHED);
});

test('names in the forms of old and new archives are read alike', async () => {
  const { into, unpack } = await setUp();
  const tar = bundleOf(
    { name: './', type: '5', mode: 0o2755 },
    paxEntry(paxRecord('comment', 'of git archive'), 'g'),
    gnuLong(`gnu/${'g'.repeat(150)}`),
    { name: 'cut', body: '1', magic: 'ustar  \0' },
    paxEntry(paxRecord('mtime', '1.5') + paxRecord('path', `pax/new\u00e9`) + paxRecord('size', '1')),
    { name: 'cut', body: '2', size: 0 },
    { name: 'b', prefix: 'prefix/a', body: '3' },
    { name: 'v7', body: '4', magic: '', type: '\0' },
    gnuLong('v7', 'K'),
    { name: 'soft', type: '2', target: 'cut' },
    { name: 'hard', type: '1', target: './v7', mode: 0o777 },
    { name: 'bom\ufeff', body: '' },
    { name: 'prefix', type: '5', mode: 0o1777 },
  );
  await unpack(tar);
  const content = await contentOf(into);
  expect(content).toMatchObject({
    [`gnu/${'g'.repeat(150)}`]: 'file 644 1 1',
    'pax/new\u00e9': 'file 644 1 2',
    'prefix/a/b': 'file 644 1 3',
    v7: 'file 644 1 4',
    soft: 'link v7',
    hard: 'file 644 1 4',
    'bom\ufeff': 'file 644 1 ',
    prefix: 'directory 755',
  });
});

test('a gzip in several members is one', async () => {
  const { into, unpack } = await setUp();
  const tar = tarOf(HANDLER, { name: 'a', body: 'x' });
  await unpack(Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]));
  expect((await readdir(into)).sort()).toEqual(['a', 'lambda_func.py']);
});

test('names that differ in case, and in how an accent is written, are two', async () => {
  const { into, unpack } = await setUp();
  await unpack(bundleOf({ name: 'A' }, { name: 'a' }, { name: 'e\u0301' }, { name: '\u00e9' }));
  expect(await readdir(into)).toHaveLength(5);
});

test('what a stream throws is thrown as it is, and nothing is left', async () => {
  const { into, untouched } = await setUp();
  const half = bundleOf({ name: 'a', body: 'x' }).subarray(0, 60);
  const broken = Readable.from(
    (async function* () {
      yield half;
      throw new Error('the network is gone');
    })(),
  );
  await expect(unpackBundle(broken, { into, name: 'f' })).rejects.toThrow('the network is gone');
  expect(broken.destroyed).toBe(true);
  expect(await untouched()).toEqual(UNTOUCHED);
});

test('packages.txt is shown to its checker, by whatever name its content comes', async () => {
  const { root } = await setUp();
  const file = join(root, 'b.tar.gz');
  const bundles = [
    bundleOf({ name: 'packages.txt', body: 'numpy\n' }),
    bundleOf({ name: 'other', body: 'numpy\n' }, { name: 'packages.txt', type: '1', target: 'other' }),
    bundleOf({ name: 'packages.txt', type: '2', target: 'a/b' }, { name: 'a/b', body: 'numpy\n' }),
    bundleOf(
      { name: 'a/b', body: 'numpy\n' },
      { name: 'c', type: '2', target: 'a' },
      { name: 'packages.txt', type: '2', target: 'c/b' },
    ),
  ];
  for (const bytes of bundles) {
    await writeFile(file, bytes);
    const seen: string[] = [];
    await checkBundle(file, { name: 'f', checkPackages: (text, name) => seen.push(`${name}: ${text}`) });
    expect(seen).toEqual(['f: numpy\n']);
  }
});

const manySizes = [0, 1, 65_535, 65_536, 65_537, 300_000, ...Array.from({ length: 200 }, (_, at) => at)];
const manyFiles = manySizes.map((size, at) => ({
  name: `f${at}`,
  body: randomBytes(size),
}));

test('many files, small ones and large ones and second names of them, come out as they went in', async () => {
  const { into, unpack } = await setUp();
  const copies = manyFiles.map(({ name }) => ({ name: `${name}.copy`, type: '1', target: name }));
  const parts = manyFiles.flatMap((file, at) => [file, ...copies.slice(at, at + 1)]);
  await unpack(bundleOf(...parts));
  for (const { name, body } of manyFiles) {
    expect(body.equals(await readFile(join(into, name))), name).toBe(true);
    expect(body.equals(await readFile(join(into, `${name}.copy`))), `${name}.copy`).toBe(true);
  }
  expect((await readdir(into)).length).toBe(2 * manyFiles.length + 1);
});

test('where it fails with files still being written, nothing is left', async () => {
  const { unpack, untouched } = await setUp();
  const evil = { name: 'evil', type: '2', target: '/etc/passwd' };
  for (let count = 1; count < manyFiles.length; count += 20) {
    const refused = unpack(bundleOf(...manyFiles.slice(-count), evil));
    await expect(refused).rejects.toMatchObject({ code: 'ERR_BUNDLE_REFUSED' });
    expect(await untouched()).toEqual(UNTOUCHED);
  }
});
