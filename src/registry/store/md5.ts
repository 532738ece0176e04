import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** The MD5 of a file in base64, as the header Content-MD5 has it: against accidents, not against attackers. */
export async function md5Of(file: string): Promise<string> {
  const hash = createHash('md5');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('base64');
}
