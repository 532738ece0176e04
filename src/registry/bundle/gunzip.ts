import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Refused } from './refused.ts';

/** Code and data shrink to a tenth or so, and gzip's most is 1 in 1,032: what is beyond this was made to be a bomb. */
const MAX_RATIO = 200;
/** Below this no ratio does harm. Tar's own padding alone shrinks well. */
const HARMLESS_BYTES = 4 * 2 ** 20;

const PACK = 'pack the directory of the function with `tar czf`';

/**
 * Unpacks gzip on the fly: no more than `maxBytes` come out, no more than 200 for each byte that went in. All that goes
 * in has to be gzip, to its end. Throws Refused, or what `source` throws.
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Buffer> {
  const unzip = createGunzip();
  let fed = 0;
  let made = 0;
  const feeding = pipeline(async function* () {
    for await (const chunk of source) {
      fed += chunk.length;
      yield chunk;
    }
  }, unzip);
  // Not swallowed: what ends it ends the loop below as well, which throws it.
  feeding.catch(() => {});
  try {
    for await (const chunk of unzip as AsyncIterable<Buffer>) {
      made += chunk.length;
      checkAmount(made, fed, maxBytes);
      yield chunk;
    }
  } catch (error) {
    throw isZlibError(error) ? refusalOf(error, fed) : error;
  }
  // Zeros behind the end are not unpacked and no error.
  if (unzip.bytesWritten !== fed) throw trailing();
}

function checkAmount(made: number, fed: number, maxBytes: number): void {
  if (made > HARMLESS_BYTES && made > MAX_RATIO * fed) {
    const reason = `is compressed more than ${MAX_RATIO} to 1: leave out what is one byte over and over`;
    throw new Refused(null, reason);
  }
  if (made > maxBytes) {
    throw new Refused(null, `unpacks to more than ${Math.floor(maxBytes / 2 ** 20)} MB: leave data out`);
  }
}

function isZlibError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'code' in error && /^Z_\w+$/.test(String(error.code));
}

function refusalOf(error: Error & { code: string }, fed: number): Refused {
  const options = { cause: error };
  if (fed === 0) return new Refused(null, `is empty: ${PACK}`, options);
  if (error.code === 'Z_BUF_ERROR')
    return new Refused(null, 'is cut off: send the whole file again', options);
  if (error.message === 'incorrect header check') {
    return new Refused(null, `is no gzip, or has something else behind its end: ${PACK}`, options);
  }
  return new Refused(null, `is damaged (gzip: ${error.message}): pack or send it again`, options);
}

export function trailing(): Refused {
  return new Refused(null, `has something behind its end: ${PACK}`);
}
