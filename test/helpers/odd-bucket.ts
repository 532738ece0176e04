import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How it answers a GET of an object; `well` does what an S3 server would. */
export type Answer = (request: IncomingMessage, response: ServerResponse, well: () => void) => void;

/** A server of one bucket that answers as S3 does, to anybody, until it is told to do something else. */
export interface OddBucket {
  readonly url: string;
  /** Bodies by key. */
  readonly objects: Map<string, Buffer>;
  /** How many requests came. */
  count(): number;
  answer(how: Answer): void;
  close(): Promise<void>;
}

export const etagOf = (body: Buffer) => `"${createHash('md5').update(body).digest('hex')}"`;

/** Starts it on a free port, or on the given one. */
export async function startOddBucket(port = 0): Promise<OddBucket> {
  const objects = new Map<string, Buffer>();
  let count = 0;
  let how: Answer = (_request, _response, well) => well();
  const server = createServer((request, response) => {
    count++;
    how(request, response, () => well(objects, request, response));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    count: () => count,
    answer: (other) => {
      how = other;
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function well(objects: Map<string, Buffer>, request: IncomingMessage, response: ServerResponse): void {
  const body = objects.get(keyOf(request));
  if (body === undefined) return sayError(response, 404, 'NoSuchKey');
  const etag = etagOf(body);
  if (request.headers['if-none-match'] === etag) response.writeHead(304, { etag }).end();
  else response.writeHead(200, { etag, 'content-length': body.length }).end(body);
}

function keyOf(request: IncomingMessage): string {
  return new URL(request.url ?? '/', 'http://x').pathname.split('/').at(-1) ?? '';
}

/** Answers with an error as S3 writes them. */
export function sayError(response: ServerResponse, status: number, code: string): void {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`;
  response.writeHead(status, { 'content-type': 'application/xml' }).end(body);
}
