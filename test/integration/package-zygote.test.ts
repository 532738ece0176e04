import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { requestOf } from '../contract/sandbox.contract.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { makeSockEngine } from '../helpers/sock-engine.ts';

leavesNothing();

test('a sandbox of a package zygote has its modules already', async () => {
  const fixture = await makeSockEngine();
  try {
    await mkdir(join(fixture.packagesDir, 'one'));
    await writeFile(join(fixture.packagesDir, 'one', 'one.py'), 'print("imported")\nvalue = 4711\n');
    const zygote = await fixture.engine.importAhead({ parent: null, directories: ['/packages/one'], modules: ['one'] });
    const code = await fixture.code('user', 'import sys\ndef handler(event): return "one" in sys.modules and sys.modules["one"].value\n');
    const sandbox = await fixture.engine.createFrom(zygote, code);
    const { body } = await sandbox.request(requestOf(1));
    expect(body.toString()).toBe('4711');
    expect(sandbox.origin).toBe('zygote');
  } finally {
    await fixture.dispose();
  }
});
