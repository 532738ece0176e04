import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkBundle } from '../../src/registry/bundle/check.ts';
import { unpackBundle } from '../../src/registry/bundle/unpack.ts';
import type { Store } from '../../src/registry/store/store.ts';
import { bundleOf, bundleOfHandler } from '../helpers/bundle.ts';

/** A store with nothing in it, and what is told of its content by other means. */
export interface StoreFixture {
  readonly store: Store;
  /** The names of all that is there, whatever it is. */
  names(): Promise<string[]>;
  /** Closes it and removes all traces of it. */
  dispose(): Promise<void>;
}

const TWO = { 'lambda_func.py': 'def handler(event):\n    return 2\n', 'data/x': 'y' };

/** What every store has to do. */
export function describeStoreContract(kind: string, make: () => Promise<StoreFixture>): void {
  describe(`the ${kind} store`, () => {
    let fixture: StoreFixture;
    let store: Store;
    let dir = '';
    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'ol-store-contract-'));
      fixture = await make();
      store = fixture.store;
    });
    afterEach(async () => {
      await fixture.dispose();
      await rm(dir, { recursive: true });
    });

    const write = async (bytes: Buffer, name = 'b.tar.gz') => {
      await writeFile(join(dir, name), bytes);
      return join(dir, name);
    };
    const put = async (name: string, bytes: Buffer) => await store.put(name, await write(bytes));
    const content = async (name: string) => {
      const [bundle, into] = [join(dir, `${name}.tar.gz`), join(dir, name)];
      await store.get(name, bundle);
      await mkdir(into);
      await unpackBundle(bundle, { into, name });
      const files = (await readdir(into, { recursive: true })).sort();
      const text = await readFile(join(into, 'lambda_func.py'), 'utf8');
      await rm(into, { recursive: true });
      await rm(bundle);
      return { files, text };
    };

    test('has nothing at first', async () => {
      expect(await store.list()).toEqual([]);
    });

    test('gives back what was put there', async () => {
      await put('hello', bundleOf(TWO));
      expect(await content('hello')).toEqual({
        files: ['data', 'data/x', 'lambda_func.py'],
        text: TWO['lambda_func.py'],
      });
    });

    test('lists functions by their names, with size, time and version', async () => {
      const before = Date.now();
      const version = await put('b', bundleOf(TWO));
      await put('a', bundleOfHandler('# a'));
      const listed = await store.list();
      expect(listed.map(({ name }) => name)).toEqual(['a', 'b']);
      expect(listed[1]).toMatchObject({ version, problem: null });
      expect(version).toBe(await checkBundle(await write(bundleOf(TWO)), { name: 'x' }));
      for (const { bytes, changedMs } of listed) {
        expect(bytes).toBeGreaterThan(0);
        // Some servers tell whole seconds.
        expect(changedMs).toBeGreaterThan(before - 2000);
        expect(changedMs).toBeLessThan(Date.now() + 2000);
      }
    });

    test('puts a newer bundle in the place of an older one, all of it', async () => {
      await put('hello', bundleOf(TWO));
      const version = await put('hello', bundleOfHandler('# three'));
      expect(await content('hello')).toEqual({ files: ['lambda_func.py'], text: '# three' });
      expect(await store.list()).toMatchObject([{ name: 'hello', version }]);
    });

    test('the same content has the same version, whatever it is called', async () => {
      expect(await put('a', bundleOf(TWO))).toBe(await put('b', bundleOf(TWO)));
    });

    test('two puts of one function at the same time: one of them is there', async () => {
      const files = await Promise.all(
        ['# 1', '# 2'].map((text, at) => write(bundleOfHandler(text), `${at}`)),
      );
      await Promise.all(files.map((file) => store.put('hello', file)));
      expect(['# 1', '# 2']).toContain((await content('hello')).text);
      expect(await fixture.names()).toEqual(['hello']);
    });

    test('a removed function is gone, and can be put there again', async () => {
      await put('a', bundleOf(TWO));
      await put('b', bundleOf(TWO));
      await store.remove('a');
      expect(await fixture.names()).toEqual(['b']);
      expect((await store.list()).map(({ name }) => name)).toEqual(['b']);
      await put('a', bundleOfHandler('# again'));
      expect((await content('a')).text).toBe('# again');
    });

    test('a function that is not there is neither given nor removed', async () => {
      const missing = { code: 'ERR_NOT_STORED', message: expect.stringContaining("no function 'none'") };
      await expect(store.get('none', join(dir, 'x'))).rejects.toMatchObject(missing);
      await expect(store.remove('none')).rejects.toMatchObject(missing);
      expect(existsSync(join(dir, 'x'))).toBe(false);
    });

    test('a bundle that a worker would refuse is not put there', async () => {
      await put('hello', bundleOfHandler('# good'));
      const link = join(dir, 'evil');
      execFileSync('ln', ['-s', '/etc/passwd', link]);
      await writeFile(join(dir, 'lambda_func.py'), '#');
      const evil = execFileSync('tar', ['-cz', '-C', dir, 'lambda_func.py', 'evil']);
      await expect(put('hello', evil)).rejects.toMatchObject({
        code: 'ERR_BUNDLE_REFUSED',
        message:
          "the bundle of 'hello' is refused: evil is an absolute link (to /etc/passwd): make it a relative one, or copy the file",
      });
      await expect(put('other', bundleOf({ 'x.py': '' }))).rejects.toMatchObject({
        code: 'ERR_BUNDLE_REFUSED',
      });
      expect(await fixture.names()).toEqual(['hello']);
      expect((await content('hello')).text).toBe('# good');
    });

    test('a packages.txt that its checker refuses is not put there', async () => {
      const bytes = bundleOf({ 'lambda_func.py': '#', 'packages.txt': 'numpy\n' });
      const checkPackages = (text: Buffer, name: string) => {
        throw new Error(`${name}: ${text}`);
      };
      await expect(store.put('hello', await write(bytes), { checkPackages })).rejects.toThrow('hello: numpy');
      expect(await fixture.names()).toEqual([]);
    });

    test('names that no function can have are refused', async () => {
      const file = await write(bundleOf(TWO));
      for (const name of ['', '..', '.put-x', 'a/b', 'x'.repeat(65)]) {
        const refused = { code: 'ERR_BAD_NAME' };
        await expect(store.put(name, file)).rejects.toMatchObject(refused);
        await expect(store.get(name, join(dir, 'x'))).rejects.toMatchObject(refused);
        await expect(store.remove(name)).rejects.toMatchObject(refused);
      }
      expect(await fixture.names()).toEqual([]);
    });

    test('a file that is there is not written over', async () => {
      await put('hello', bundleOf(TWO));
      const there = await write(Buffer.from('mine'), 'mine');
      await expect(store.get('hello', there)).rejects.toThrow('EEXIST');
      expect(await readFile(there, 'utf8')).toBe('mine');
    });
  });
}
