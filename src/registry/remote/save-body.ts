import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { TornAnswer, Trouble } from './trouble.ts';

export interface SaveOptions {
  /** Not there yet. */
  readonly file: string;
  readonly maxBytes: number;
  readonly onBytes: () => void;
}

/** The ETag of an object that was put in one part is the MD5 of its content; with keys of a key service it is not. */
const MD5_ETAG = /^"([0-9a-f]{32})"$/;

/** Writes an object's content to a file, and checks that it is all there. Rejects with Trouble, and errors of the stream. */
export async function saveBody(response: GetObjectCommandOutput, options: SaveOptions): Promise<void> {
  const body = response.Body as unknown as Readable;
  const hash = createHash('md5');
  let bytes = 0;
  const checked = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      options.onBytes();
      bytes += chunk.length;
      if (bytes > options.maxBytes) throw tooLarge(options.maxBytes);
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(body, checked, createWriteStream(options.file, { flags: 'wx', mode: 0o600 }));
  const { ContentLength: length, ETag: etag = '', ServerSideEncryption: encryption = '' } = response;
  if (length !== undefined && length !== bytes) throw cutOff(`it sent ${bytes} of ${length} bytes`);
  const md5 = encryption.startsWith('aws:kms') ? undefined : MD5_ETAG.exec(etag)?.[1];
  if (md5 !== undefined && md5 !== hash.digest('hex')) throw new TornAnswer('ETag');
}

function tooLarge(maxBytes: number): Trouble {
  return new Trouble(`the bundle has more than ${maxBytes} bytes: make it smaller`, { isGeneral: false });
}

function cutOff(reason: string): Trouble {
  return new Trouble(reason, { isGeneral: false });
}
