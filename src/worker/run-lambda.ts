import type { IncomingMessage, ServerResponse } from 'node:http';
import { OlError, toOlError } from '../errors.ts';
import type { InvocationResult } from '../functions/function.ts';
import type { FunctionManager } from '../functions/manager.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { JSON_TYPE, send, sendError, TEXT_TYPE } from './answers.ts';
import { declaresTooMuch, readBody, tooLarge } from './body.ts';

/**
 * Up to this size the event is checked here, so that a typing mistake costs no sandbox. A larger one would hold up
 * other requests while it is parsed: the sandbox, which has to parse it anyway, says what is wrong with it.
 */
const CHECKED_BYTES = 64 * 1024;

export interface RunLambdaOptions {
  readonly functions: FunctionManager;
  readonly requestMaxBytes: number;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Answers `POST /runLambda/<name>`. */
export class RunLambda {
  readonly #options: RunLambdaOptions;

  constructor(options: RunLambdaOptions) {
    this.#options = options;
  }

  handle(request: IncomingMessage, response: ServerResponse, name: string): void {
    readBody(request, this.#options.requestMaxBytes, (error, body) => {
      if (error === null) void this.#invoke(response, name, body);
      else this.#refuseBody(response, error);
    });
  }

  /** A client that asks before it sends its body (`Expect: 100-continue`) is told at once when it is too large. */
  checkContinue(request: IncomingMessage, response: ServerResponse): boolean {
    const { requestMaxBytes } = this.#options;
    if (declaresTooMuch(request, requestMaxBytes)) {
      this.#refuseBody(response, tooLarge(requestMaxBytes));
      return false;
    }
    response.writeContinue();
    return true;
  }

  #refuseBody(response: ServerResponse, error: OlError): void {
    this.#options.metrics.refused(error.code);
    this.#options.log.debug({ code: error.code, reason: error.message }, 'request refused');
    // The rest of the body would be taken for the next request.
    sendError(response, error, ['Connection', 'close']);
  }

  async #invoke(response: ServerResponse, name: string, body: Buffer): Promise<void> {
    try {
      if (body.length > 0 && body.length <= CHECKED_BYTES) checkJson(body);
      const { result, cancel } = this.#options.functions.invoke(name, body);
      // Also comes after a complete response, when there is nothing left to cancel.
      if (cancel !== null) response.on('close', cancel);
      const done = await result;
      if (done.response.status === 500) this.#options.metrics.failed();
      answer(response, done);
    } catch (thrown) {
      const error = toOlError(thrown);
      this.#options.metrics.refused(error.code);
      this.#logFailure(name, error);
      sendError(response, error);
    }
  }

  /** What a client did wrong is the client's to see; what went wrong here or in a sandbox is the operator's as well. */
  #logFailure(name: string, error: OlError): void {
    const fields = { function: name, code: error.code, reason: error.message };
    if (error.code === 'ERR_INTERNAL')
      this.#options.log.error({ ...fields, err: error.cause }, 'invocation failed');
    else if (error.status >= 500) this.#options.log.warn(fields, 'invocation failed');
    else this.#options.log.debug(fields, 'invocation refused');
  }
}

function checkJson(body: Buffer): void {
  const text = body.toString();
  try {
    JSON.parse(text);
  } catch (cause) {
    // White space is no JSON, but nothing, as is no body at all.
    if (text.trim() === '') return;
    throw new OlError('ERR_BAD_JSON', { reason: (cause as Error).message }, { cause });
  }
}

function answer(response: ServerResponse, { response: { status, body }, start }: InvocationResult): void {
  if (status === 400) throw new OlError('ERR_BAD_JSON', { reason: body.toString() });
  send(response, status, status === 200 ? JSON_TYPE : TEXT_TYPE, body, ['X-OpenLambda-Start', start]);
}
