import type { Answer } from '../answer.ts';
import type { Payload, PayloadOptions } from '../body/payload.ts';
import { S3Error } from '../errors.ts';
import type { S3Request } from '../request.ts';
import type { Buckets } from '../store/buckets.ts';
import type { Uploads } from '../store/uploads.ts';

/** What an operation is given: an authorized request, its body, and where everything is kept. */
export interface Call {
  readonly request: S3Request;
  readonly bucket: string;
  readonly key: string;
  /** Begins to read the body, which it may do once. */
  body(options: PayloadOptions): Payload;
  readonly buckets: Buckets;
  readonly uploads: Uploads;
  now(): number;
}

export type Operation = (call: Call) => Promise<Answer> | Answer;

/** The whole of a small body. Throws MaxMessageLengthExceeded for a larger one. */
export async function readSmallBody(
  call: Call,
  maxBytes: number,
  options: Pick<PayloadOptions, 'isForeignChecksum'> = {},
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of call.body({ ...options, maxBytes }).data) pieces.push(piece);
  } catch (error) {
    if (!(error instanceof S3Error) || error.code !== 'EntityTooLarge') throw error;
    throw new S3Error('MaxMessageLengthExceeded', undefined, { cause: error });
  }
  return Buffer.concat(pieces);
}

/** For an operation whose body has no meaning: there may be none, and that is checked like any other. */
export async function readNoBody(call: Call): Promise<void> {
  await readSmallBody(call, 0);
}

/** A number in the query within bounds. Throws InvalidArgument. */
export function numberIn(call: Call, name: string, fallback: number, max: number): number {
  const text = call.request.query.get(name);
  if (text === undefined) return fallback;
  if (!/^\d{1,9}$/.test(text)) throw new S3Error('InvalidArgument', `${name} has to be a number`);
  return Math.min(Number(text), max);
}
