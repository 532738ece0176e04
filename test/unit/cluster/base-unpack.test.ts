import { spawn } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { unpackImage } from '../../../src/cluster/base-unpack.ts';
import { useTempDir } from './temp-dir.ts';

const HOSTILE = join(import.meta.dirname, '../../fixtures/hostile-image.py');
const temp = useTempDir();

function place(name: string): { base: string; outside: string } {
  const base = join(temp.dir, name, 'base');
  const outside = join(temp.dir, name, 'outside');
  mkdirSync(base, { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, 'victim'), 'as it was');
  return { base, outside };
}

test('an image that means harm is refused, and writes nothing outside', async () => {
  const { base, outside } = place('outside');
  const child = spawn('/usr/bin/python3', [HOSTILE, outside], { stdio: ['ignore', 'pipe', 'inherit'] });
  const made = unpackImage(base, child.stdout, 'docker:hostile');
  await expect(made).rejects.toMatchObject({ code: 'ERR_BASE_IMAGE', fields: { source: 'docker:hostile' } });
  expect(readdirSync(outside)).toEqual(['victim']);
  expect(readFileSync(join(outside, 'victim'), 'utf8')).toBe('as it was');
  expect(statSync(join(outside, 'victim')).nlink).toBe(1);
  expect(readdirSync(join(base, '..'))).toEqual(['base', 'outside']);
  expect(readdirSync(temp.dir)).toEqual(['outside']);
  // Nobody else can look into what is there of it.
  expect(statSync(base).mode & 0o077).toBe(0);
});

test('an image is unpacked as root’s own, with nothing in it that gives anybody power', async () => {
  const { base } = place('powers');
  const child = spawn('/usr/bin/python3', [HOSTILE, '--harmless'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await unpackImage(base, child.stdout, 'docker:odd');
  const usr = (name: string) => lstatSync(join(base, 'usr', name));
  expect(readdirSync(join(base, 'usr')).length).toBe(5);
  expect(usr('root-shell').mode & 0o7777).toBe(0o755);
  expect(usr('open').mode & 0o7777 & 0o6022).toBe(0);
  expect([usr('of-somebody').uid, usr('of-somebody').gid]).toEqual([0, 0]);
  expect(readdirSync(base).sort()).toEqual(['etc', 'usr']);
});

test('an archive that is none is refused, and says so', async () => {
  const { base } = place('rubbish');
  const made = unpackImage(base, Readable.from(['rubbish'.repeat(1000)]), 'docker:rubbish');
  await expect(made).rejects.toMatchObject({ code: 'ERR_BASE_IMAGE', fields: { source: 'docker:rubbish' } });
});

test('an archive that breaks off is refused', async () => {
  const { base } = place('broken');
  async function* half() {
    yield Buffer.alloc(100);
    throw new Error('the daemon went away');
  }
  const made = unpackImage(base, Readable.from(half()), 'docker:broken');
  await expect(made).rejects.toMatchObject({ code: 'ERR_BASE_IMAGE' });
});
