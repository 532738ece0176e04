import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { MOUNT_POINTS, readBase } from '../../../src/cluster/base.ts';
import { makeBase, makeSkeleton, parseBase } from '../../../src/cluster/base-make.ts';
import { useTempDir } from './temp-dir.ts';

const temp = useTempDir();
let base = '';

beforeEach(() => {
  base = join(temp.dir, 'base');
  mkdirSync(base);
});

/** A directory that could be an image: a Python by name, and an etc of its own. */
function makeImage(): string {
  const image = join(temp.dir, 'image');
  mkdirSync(join(image, 'usr', 'bin'), { recursive: true });
  mkdirSync(join(image, 'etc'));
  writeFileSync(join(image, 'usr', 'bin', 'python3.12'), '', { mode: 0o755 });
  symlinkSync('python3.12', join(image, 'usr', 'bin', 'python3'));
  writeFileSync(join(image, 'etc', 'passwd'), 'own:x:1:1::/:/bin/sh\n');
  writeFileSync(join(image, 'etc', 'hosts'), '10.0.0.1 secret\n');
  return image;
}

describe('a base image from the host', () => {
  test('is a skeleton into which usr is bound, and can be read', async () => {
    await makeBase(base, { kind: 'host' });
    const { source, binds, python } = await readBase(base);
    expect({ source, python }).toEqual({ source: 'host', python: '/usr/bin/python3' });
    expect(binds).toContain('usr');
    for (const name of MOUNT_POINTS) expect(readdirSync(join(base, name))).toEqual([]);
    for (const name of ['bin', 'lib'].filter((dir) => lstatSync(`/${dir}`).isSymbolicLink())) {
      expect(readlinkSync(join(base, name))).toBe(readlinkSync(`/${name}`));
    }
  });

  test('tells nothing of the accounts and secrets of the host', async () => {
    const root = join(temp.dir, 'root');
    mkdirSync(join(root, 'usr'), { recursive: true });
    mkdirSync(join(root, 'lib64'));
    symlinkSync('usr/bin', join(root, 'bin'));
    for (const dir of ['ssl/certs', 'ssl/private', 'pki/tls/private', 'python3.11', 'alternatives']) {
      mkdirSync(join(root, 'etc', dir), { recursive: true });
    }
    const secrets = [
      'shadow',
      'passwd',
      'machine-id',
      'fstab',
      'ssl/private/key.pem',
      'pki/tls/private/key.pem',
    ];
    for (const name of secrets) writeFileSync(join(root, 'etc', name), 'SECRET');
    writeFileSync(join(root, 'etc/ssl/certs/key.pem'), 'SECRET', { mode: 0o640 });
    writeFileSync(join(root, 'etc/ssl/certs/ca.pem'), 'public');
    symlinkSync('ca.pem', join(root, 'etc/ssl/certs/hash.0'));
    symlinkSync('nowhere', join(root, 'etc/ssl/certs/dangling.0'));
    symlinkSync('/usr/bin/vim', join(root, 'etc/alternatives/editor'));
    const binds = await makeSkeleton(base, root);
    expect(binds).toEqual(['usr', 'lib64']);
    expect(readlinkSync(join(base, 'bin'))).toBe('usr/bin');
    expect(readdirSync(join(base, 'etc/ssl')).sort()).toEqual(['certs']);
    expect(readdirSync(join(base, 'etc/ssl/certs')).sort()).toEqual(['ca.pem', 'hash.0']);
    expect(readlinkSync(join(base, 'etc/alternatives/editor'))).toBe('/usr/bin/vim');
    expect(existsSync(join(base, 'etc/shadow'))).toBe(false);
    expect(() => execFileSync('grep', ['-r', 'SECRET', base])).toThrow();
    expect(readFileSync(join(base, 'etc/passwd'), 'utf8')).toContain('sandbox:x:1000:1000:');
  });

  test('can be read by the sandbox whatever the umask', async () => {
    const before = process.umask(0o077);
    try {
      await makeBase(base, { kind: 'host' });
    } finally {
      process.umask(before);
    }
    const found = execFileSync('find', [join(base, 'etc'), '!', '-type', 'l', '!', '-perm', '-044']);
    expect(String(found)).toBe('');
    const closed = execFileSync('find', [base, '-mindepth', '1', '-type', 'd', '!', '-perm', '0755']);
    expect(String(closed)).toBe('');
  });
});

describe('a base image from a directory or an archive', () => {
  test('keeps its own files and gets what a sandbox lacks', async () => {
    await makeBase(base, await parseBase(`dir:${makeImage()}`));
    expect(await readBase(base)).toEqual({ source: 'dir', binds: [], python: '/usr/bin/python3' });
    expect(readFileSync(join(base, 'etc/passwd'), 'utf8')).toBe('own:x:1:1::/:/bin/sh\n');
    expect(readFileSync(join(base, 'etc/hosts'), 'utf8')).toContain('127.0.0.1 sandbox');
    expect(readFileSync(join(base, 'etc/group'), 'utf8')).toContain('sandbox');
    expect(readFileSync(join(temp.dir, 'image/etc/hosts'), 'utf8')).toContain('secret');
  });

  test('comes out of a compressed archive as well', async () => {
    const archive = join(temp.dir, 'image.tar.gz');
    execFileSync('tar', ['-czf', archive, '-C', makeImage(), '.']);
    await makeBase(base, await parseBase(archive));
    expect((await readBase(base)).source).toBe('tar');
  });

  test.each(['handler', 'etc', 'proc'])('is refused where %s is a link', async (name) => {
    const image = makeImage();
    rmSync(join(image, name), { recursive: true, force: true });
    symlinkSync(temp.dir, join(image, name));
    const made = makeBase(base, { kind: 'dir', path: image });
    await expect(made).rejects.toMatchObject({
      code: 'ERR_BASE_IMAGE',
      message: expect.stringContaining(name),
    });
    expect(existsSync(join(temp.dir, 'resolv.conf'))).toBe(false);
  });

  test('has links in etc replaced, not written through', async () => {
    const image = makeImage();
    const outside = join(temp.dir, 'outside');
    writeFileSync(outside, 'untouched');
    symlinkSync(outside, join(image, 'etc', 'resolv.conf'));
    symlinkSync(join(temp.dir, 'made'), join(image, 'etc', 'group'));
    symlinkSync(outside, join(image, '.openlambda-base.json'));
    await makeBase(base, { kind: 'dir', path: image });
    expect(readFileSync(outside, 'utf8')).toBe('untouched');
    expect(existsSync(join(temp.dir, 'made'))).toBe(false);
    expect(lstatSync(join(base, 'etc', 'resolv.conf')).isFile()).toBe(true);
  });

  test('can not write outside by a link and a file below it', async () => {
    const outside = join(temp.dir, 'outside');
    const script = `
import io, sys, tarfile
with tarfile.open(sys.argv[1], 'w') as tar:
    link = tarfile.TarInfo('x'); link.type = tarfile.SYMTYPE; link.linkname = sys.argv[2]; tar.addfile(link)
    tar.addfile(tarfile.TarInfo('x/planted'), io.BytesIO())
    tar.addfile(tarfile.TarInfo('../planted'), io.BytesIO())`;
    mkdirSync(outside);
    execFileSync('/usr/bin/python3', ['-c', script, join(temp.dir, 'bad.tar'), outside]);
    await expect(makeBase(base, { kind: 'tar', path: join(temp.dir, 'bad.tar') })).rejects.toThrow();
    expect(readdirSync(outside)).toEqual([]);
    expect(existsSync(join(temp.dir, 'planted'))).toBe(false);
  });

  test.each([
    ['no Python', (image: string) => rmSync(join(image, 'usr/bin/python3')), 'install python3'],
    [
      'an old Python',
      (image: string) => {
        rmSync(join(image, 'usr/bin/python3'));
        writeFileSync(join(image, 'usr/bin/python3.8'), '');
        symlinkSync('/usr/bin/python3.8', join(image, 'usr/bin/python3'));
      },
      'version 3.8',
    ],
  ])('is refused with %s', async (_, spoil, message) => {
    const image = makeImage();
    spoil(image);
    const made = makeBase(base, { kind: 'dir', path: image });
    await expect(made).rejects.toMatchObject({
      code: 'ERR_BASE_IMAGE',
      fields: { source: image },
      message: expect.stringContaining(message),
    });
  });

  test('is refused where the cluster would lie in it', async () => {
    const made = makeBase(base, { kind: 'dir', path: temp.dir });
    await expect(made).rejects.toMatchObject({ code: 'ERR_BASE_IMAGE' });
  });

  test('is refused where it is no archive, with the tool’s own words', async () => {
    writeFileSync(join(temp.dir, 'x.tar'), 'not a tar archive at all, but a long text'.repeat(100));
    const made = makeBase(base, { kind: 'tar', path: join(temp.dir, 'x.tar') });
    await expect(made).rejects.toMatchObject({
      code: 'ERR_BASE_IMAGE',
      message: expect.stringContaining('tar'),
    });
  });

  test.each(['dir:', 'dir:/nowhere', 'docker', ''])('--base=%s is refused', async (text) => {
    await expect(parseBase(text)).rejects.toMatchObject({ code: 'ERR_BASE_IMAGE' });
  });
});

describe('reading a base image', () => {
  const good = { version: 1, source: 'host', binds: ['usr'] };

  test.each([
    ['a directory that is not a system directory', { ...good, binds: ['usr', 'etc'] }],
    ['a path', { ...good, binds: ['../root'] }],
    ['binds in a complete image', { ...good, source: 'dir' }],
    ['another version', { ...good, version: 2 }],
    ['no object', null],
  ])('refuses a marker with %s', async (_, marker) => {
    await makeBase(base, { kind: 'host' });
    writeFileSync(join(base, '.openlambda-base.json'), JSON.stringify(marker));
    await expect(readBase(base)).rejects.toMatchObject({ code: 'ERR_BASE_IMAGE' });
  });

  test('refuses an image without a marker or a mount point', async () => {
    await expect(readBase(base)).rejects.toMatchObject({ code: 'ERR_BASE_IMAGE' });
    await makeBase(base, { kind: 'host' });
    chmodSync(base, 0o755);
    rmSync(join(base, 'host'), { recursive: true });
    symlinkSync('/', join(base, 'host'));
    await expect(readBase(base)).rejects.toThrow(/host in it is a link/);
    expect(statSync(base).isDirectory()).toBe(true);
  });
});
