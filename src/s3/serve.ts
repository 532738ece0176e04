import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '../telemetry/log.ts';
import { type Answer, errorXml, sendAnswer } from './answer.ts';
import { authorize, type Credentials } from './auth/authorize.ts';
import { openPayload } from './body/payload.ts';
import { S3Error, toS3Error } from './errors.ts';
import { BODIES_MAX, HTTP_LIMITS } from './limits.ts';
import type { Call } from './operations/operation.ts';
import { parseRequest } from './request.ts';
import { findOperation } from './routes.ts';
import { watchSilence } from './silence.ts';
import type { Buckets } from './store/buckets.ts';
import type { Uploads } from './store/uploads.ts';

export interface Serving {
  readonly credentials: Credentials;
  readonly buckets: Buckets;
  readonly uploads: Uploads;
  readonly log: Log;
  /** How long a client may be silent. */
  readonly idleMs: number;
  now(): number;
}

/** Answers requests: who asks, what for, then the operation. Nobody learns anything without a signature. */
export class RequestServer {
  readonly #serving: Serving;
  #bodies = 0;

  constructor(serving: Serving) {
    this.#serving = serving;
  }

  /** Never rejects: what goes wrong is answered, or logged where there is nobody to answer. */
  async serve(request: IncomingMessage, response: ServerResponse, waitsForContinue: boolean): Promise<void> {
    const id = randomUUID();
    response.setHeader('x-amz-request-id', id);
    // Not the query: a presigned URL has its signature there.
    const [path = ''] = (request.url ?? '').split('?');
    const log = this.#serving.log.child({ requestId: id, method: request.method, path });
    let isAsked = waitsForContinue;
    const beforeBody = () => {
      if (isAsked) response.writeContinue();
      isAsked = false;
    };
    const { idleMs } = this.#serving;
    const answering = watchSilence({ request, response }, { idleMs, isAsking: () => isAsked });
    const send = async (answer: Answer) => {
      answering();
      await sendAnswer(response, answer, request.method === 'HEAD');
    };
    try {
      const answer = await this.#answer(request, beforeBody);
      await send(answer);
      log.debug({ status: answer.status }, 's3 request answered');
    } catch (error) {
      await refuse(request, response, toS3Error(error), { log, send });
    }
    drain(request);
  }

  async #answer(request: IncomingMessage, beforeBody: () => void): Promise<Answer> {
    const { credentials, buckets, uploads, now } = this.#serving;
    const parsed = parseRequest(request.method ?? '', request.url ?? '', request.rawHeaders);
    const authorized = authorize(parsed, credentials, now());
    const operation = findOperation(parsed);
    const call: Call = {
      request: parsed,
      bucket: parsed.bucket ?? '',
      key: parsed.key ?? '',
      body: (options) => openPayload(this.#read(request, beforeBody), parsed, authorized, options),
      buckets,
      uploads,
      now,
    };
    return await operation(call);
  }

  async *#read(request: IncomingMessage, beforeBody: () => void): AsyncGenerator<Buffer> {
    // Who sends none does not wait for those who do.
    const weight = hasBody(request) ? 1 : 0;
    if (this.#bodies + weight > BODIES_MAX) throw new S3Error('SlowDown');
    this.#bodies += weight;
    try {
      beforeBody();
      // Destroying it would take the connection along, and the answer with it.
      yield* request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    } finally {
      this.#bodies -= weight;
    }
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

async function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  error: S3Error,
  { log, send }: { log: Log; send(answer: Answer): Promise<void> },
): Promise<void> {
  const { code, status } = error;
  if (request.socket.destroyed) return log.debug({ code }, 's3 client went away');
  if (code === 'InternalError' || code === 'ServiceUnavailable')
    log.error({ err: error.cause ?? error, code }, 's3 request failed');
  else log.info({ status, code }, 's3 request refused');
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const [path = ''] = (request.url ?? '').split('?');
  const xml = errorXml(error, path, String(response.getHeader('x-amz-request-id')));
  await send({ status, xml });
}

/** A client that is still sending reads its answer later: what comes is thrown away for a moment, then the connection ends. */
function drain(request: IncomingMessage): void {
  if (request.complete || request.socket.destroyed) return;
  request.on('error', () => {}); // the end of it, either way
  request.resume();
  const cut = setTimeout(() => request.socket.destroy(), HTTP_LIMITS.drainMs);
  const keep = () => clearTimeout(cut);
  request.once('end', keep).once('close', keep);
}
