import type { FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { S3Error } from './errors.ts';
import { type Content, writeXml } from './xml/write.ts';

/** What a request is answered with. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly xml?: string;
  /** A part of a file, which is closed once it is sent. */
  readonly file?: { readonly handle: FileHandle; readonly start: number; readonly length: number };
}

export function xmlAnswer(name: string, content: Content): Answer {
  return { status: 200, xml: writeXml(name, content) };
}

export function errorXml(error: S3Error, resource: string, requestId: string): string {
  const fields = Object.entries(error.fields);
  const common: [string, string][] = [
    ['Code', error.code],
    ['Message', error.message],
    ...fields,
    ['Resource', resource],
    ['RequestId', requestId],
  ];
  const printable = common.map(([name, text]) => [name, text.replaceAll(UNSAYABLE, '\ufffd')] as const);
  return writeXml('Error', printable, true);
}

/** What no parser of XML 1.0 takes, not even as a reference. A key's name has to be exact; what is said about one need not. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is about these
const UNSAYABLE = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g;

/** Sends it; a HEAD gets the headers alone. Throws where the connection or the file fails. */
export async function sendAnswer(response: ServerResponse, answer: Answer, isHead: boolean): Promise<void> {
  const { status, headers = {}, xml, file } = answer;
  try {
    const body = xml === undefined ? null : Buffer.from(xml);
    if (body !== null) response.setHeader('content-type', 'application/xml');
    if (status !== 204 && status !== 304)
      response.setHeader('content-length', file?.length ?? body?.length ?? 0);
    response.writeHead(status, headers);
    if (isHead || file === undefined || file.length === 0) {
      response.end(isHead ? undefined : (body ?? undefined));
      return;
    }
    const { handle, start, length } = file;
    const stream = handle.createReadStream({ start, end: start + length - 1, autoClose: false });
    await pipeline(stream, response);
  } finally {
    await file?.handle.close();
  }
}
