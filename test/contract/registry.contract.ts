import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Registry } from '../../src/registry/registry.ts';

/** A registry, and how its users put functions there. */
export interface RegistryFixture {
  readonly registry: Registry;
  /** Makes the function, or replaces all of its files. */
  write(name: string, files: Readonly<Record<string, string>>): Promise<void>;
  remove(name: string): Promise<void>;
  /** What a function without a `lambda_func.py` comes to; a bundle can be told that it lacks one. */
  readonly withoutHandlerFile: 'ERR_NO_FUNCTION' | 'ERR_BUNDLE_REFUSED';
  /** Closes the registry and removes all traces of it. */
  dispose(): Promise<void>;
}

const ONE = { 'lambda_func.py': 'def handler(event):\n    return 1\n' };
const TWO = { 'lambda_func.py': 'def handler(event):\n    return 2\n' };

/** What every registry has to do. */
export function describeRegistryContract(name: string, make: () => Promise<RegistryFixture>): void {
  describe(`the ${name} registry`, () => {
    let fixture: RegistryFixture;
    let registry: Registry;
    beforeEach(async () => {
      fixture = await make();
      registry = fixture.registry;
    });
    afterEach(() => fixture.dispose());

    const pull = async (function_: string) => registry.pull(function_);
    const gone = (dir: string) => vi.waitFor(() => expect(existsSync(dir)).toBe(false));

    test('a function is there as soon as it is written', async () => {
      await fixture.write('hello', ONE);
      const code = await pull('hello');
      expect(code.name).toBe('hello');
      expect(code.version).toMatch(/^[0-9a-f]{64}$/);
      expect(await readFile(join(code.dir, 'lambda_func.py'), 'utf8')).toBe(ONE['lambda_func.py']);
    });

    test('a function that was asked for too early is there once it is written', async () => {
      await expect(pull('hello')).rejects.toMatchObject({ code: 'ERR_NO_FUNCTION' });
      await fixture.write('hello', ONE);
      await expect(pull('hello')).resolves.toMatchObject({ name: 'hello' });
    });

    test('all of a function is in the copy: other modules, data, directories', async () => {
      await fixture.write('hello', { ...ONE, 'helper.py': 'X = 1\n', 'data/deep/names.csv': 'a,b\n' });
      const { dir } = await pull('hello');
      expect((await readdir(dir)).sort()).toEqual(['data', 'helper.py', 'lambda_func.py']);
      expect(await readFile(join(dir, 'data/deep/names.csv'), 'utf8')).toBe('a,b\n');
    });

    test('an edit is in the next pull, and the version before it is left as it was', async () => {
      await fixture.write('hello', ONE);
      const before = await pull('hello');
      registry.retain(before);
      await fixture.write('hello', TWO);
      const after = await pull('hello');
      expect(after.version).not.toBe(before.version);
      expect(await readFile(join(after.dir, 'lambda_func.py'), 'utf8')).toBe(TWO['lambda_func.py']);
      expect(await readFile(join(before.dir, 'lambda_func.py'), 'utf8')).toBe(ONE['lambda_func.py']);
    });

    test('the same content is the same version, for another function too', async () => {
      await fixture.write('hello', ONE);
      const first = await pull('hello');
      await fixture.write('hello', TWO);
      await pull('hello');
      await fixture.write('hello', ONE);
      await fixture.write('other', ONE);
      expect((await pull('hello')).version).toBe(first.version);
      expect((await pull('other')).version).toBe(first.version);
    });

    test('the name of a file is part of the version', async () => {
      await fixture.write('hello', { ...ONE, 'a.txt': 'x' });
      await fixture.write('other', { ...ONE, 'b.txt': 'x' });
      expect((await pull('hello')).version).not.toBe((await pull('other')).version);
    });

    test('where nothing has changed the answer is the same object, without a promise', async () => {
      await fixture.write('hello', ONE);
      const code = await pull('hello');
      expect(registry.pull('hello')).toBe(code);
    });

    test('pulls at the same time get the same code', async () => {
      await fixture.write('hello', ONE);
      const codes = await Promise.all(Array.from({ length: 20 }, () => pull('hello')));
      expect(new Set(codes).size).toBe(1);
    });

    test('a function that is not there, or has no lambda_func.py, is no function', async () => {
      await fixture.write('empty', { 'other.py': '' });
      for (const name of ['none', 'Empty'])
        await expect(pull(name)).rejects.toMatchObject({ code: 'ERR_NO_FUNCTION', status: 404 });
      await expect(pull('empty')).rejects.toMatchObject({ code: fixture.withoutHandlerFile });
    });

    test('a removed function is no function any more, and can be made again', async () => {
      await fixture.write('hello', ONE);
      await pull('hello');
      await fixture.remove('hello');
      await expect(pull('hello')).rejects.toMatchObject({ code: 'ERR_NO_FUNCTION' });
      await fixture.write('hello', TWO);
      const { dir } = await pull('hello');
      expect(await readFile(join(dir, 'lambda_func.py'), 'utf8')).toBe(TWO['lambda_func.py']);
    });

    test('a version that is replaced and not retained is removed', async () => {
      await fixture.write('hello', ONE);
      const before = await pull('hello');
      await fixture.write('hello', TWO);
      const after = await pull('hello');
      await gone(before.dir);
      expect(existsSync(after.dir)).toBe(true);
    });

    test('a retained version stays until each of its holders has released it', async () => {
      await fixture.write('hello', ONE);
      const before = await pull('hello');
      const releases = [registry.retain(before), registry.retain(before)];
      await fixture.write('hello', TWO);
      const after = await pull('hello');
      releases[0]?.();
      releases[0]?.();
      // What goes meanwhile goes in order: the newer version is gone when this one could have been.
      await fixture.remove('hello');
      await expect(pull('hello')).rejects.toMatchObject({ code: 'ERR_NO_FUNCTION' });
      await gone(after.dir);
      expect(existsSync(before.dir)).toBe(true);
      releases[1]?.();
      await gone(before.dir);
    });

    test('releasing the newest version does not remove it', async () => {
      await fixture.write('hello', ONE);
      const code = await pull('hello');
      registry.retain(code)();
      await registry.close();
      expect(existsSync(code.dir)).toBe(true);
    });

    test('a version that is gone cannot be retained', async () => {
      await fixture.write('hello', ONE);
      const before = await pull('hello');
      await fixture.write('hello', TWO);
      await pull('hello');
      await gone(before.dir);
      expect(() => registry.retain(before)).toThrow(/had been removed/);
    });

    test('a name that no function can have is refused', async () => {
      for (const name of ['', '.', '..', '.hidden', 'a/b', 'a b', 'ä', 'a\0', 'x'.repeat(65)]) {
        await expect(pull(name)).rejects.toMatchObject({ code: 'ERR_BAD_NAME', status: 400 });
      }
    });

    test('a closed registry answers nothing, and can be closed again', async () => {
      await fixture.write('hello', ONE);
      await registry.close();
      await registry.close();
      await expect(pull('hello')).rejects.toMatchObject({ code: 'ERR_SHUTTING_DOWN' });
    });
  });
}
