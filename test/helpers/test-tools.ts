import { existsSync } from 'node:fs';
import { testToolsPlace } from '../../setup/test-tools.mjs';

/** Where the set-up has put other S3 clients and servers: Python packages, programs in `bin`. */
export const testTools = testToolsPlace;

/** Why tests that need them are skipped, or null. */
export function whyNoTestTools(): string | null {
  return existsSync(testTools())
    ? null
    : 'the other S3 clients and servers are not installed: `npm test` fetches them';
}
