import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Where the set-up has put other S3 clients and servers (setup/test-tools.mjs): Python packages, programs in `bin`. */
export function testTools(): string {
  const pin = readFileSync(`${ROOT}setup/test-tools/requirements.txt`, 'utf8');
  return `${ROOT}.cache/test-tools/${createHash('sha256').update(pin).digest('hex').slice(0, 16)}`;
}

/** Why tests that need them are skipped, or null. */
export function whyNoTestTools(): string | null {
  return existsSync(testTools())
    ? null
    : 'the other S3 clients and servers are not installed: `npm test` fetches them';
}
