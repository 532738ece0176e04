/**
 * Writes the two pages that are made from the source: `errors.md` from the table of errors, `configuration.md` from the
 * schema of the config. Run it after a change of either: `node docs/generate.ts`. A test holds them equal.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configurationPage } from './generate/configuration.ts';
import { errorsPage } from './generate/errors.ts';

/** Name and content of every page that is generated. */
export function generatedPages(): readonly (readonly [string, string])[] {
  return [
    ['errors.md', errorsPage()],
    ['configuration.md', configurationPage()],
  ];
}

if (import.meta.main) {
  for (const [name, content] of generatedPages()) await writeFile(join(import.meta.dirname, name), content);
}
