import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generatedPages } from '../../../docs/generate.ts';
import { configKeys } from '../../../src/config/schema.ts';
import { ERRORS } from '../../../src/errors.ts';

const DOCS = join(import.meta.dirname, '../../../docs');

test.each(generatedPages())('docs/%s is what `node docs/generate.ts` writes', async (name, content) => {
  expect(await readFile(join(DOCS, name), 'utf8')).toBe(content);
});

test('docs/configuration.md has each key of the schema once, with a meaning', async () => {
  const text = await readFile(join(DOCS, 'configuration.md'), 'utf8');
  const keys = [...text.matchAll(/^\| `(\w+)` \| [^|]+ \| [^|]*\| .+\. \|$/gm)].map(
    (match) => match[1] ?? '',
  );
  expect(keys.toSorted()).toEqual(configKeys.toSorted());
});

test('docs/errors.md has each code, with its status and message', async () => {
  const text = await readFile(join(DOCS, 'errors.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `(ERR_\w+)` \| (\d{3}) \| `+ ?(.+?) ?`+ \|$/gm)];
  const found = rows.map(([, name, status, message]) => [name, { status: Number(status), message }]);
  expect(Object.fromEntries(found)).toEqual(ERRORS);
});
