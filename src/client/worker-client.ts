import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { OlError } from '../errors.ts';
import type { SandboxReport } from '../telemetry/sandbox-report.ts';

export interface WorkerResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Longest wait for the whole response. */
  readonly timeoutMs?: number;
}

/** A worker has these at hand; a wait longer than this means that it hangs. */
const PING_MS = 5000;
/** Longer than any default time limit of a function. */
const INVOKE_MS = 60_000;

/** A typed client of one worker. Keeps its connections open until `close`. Every call throws ERR_NO_ANSWER. */
export class WorkerClient {
  readonly url: string;
  readonly #agent = new Agent({ keepAlive: true });

  /** `url` is that of the worker: `http://localhost:8080`. */
  constructor(url: string) {
    this.url = url.replace(/\/$/, '');
  }

  /** Pings the worker; `text` is `ready` when it serves. */
  async status(): Promise<{ status: number; statusText: string; text: string }> {
    const { status, statusText, body } = await this.request('/status', { timeoutMs: PING_MS });
    return { status, statusText, text: body.trim() };
  }

  /** The sandboxes that live. */
  async sandboxes(): Promise<readonly SandboxReport[]> {
    const { status, body } = await this.request('/sandboxes', { timeoutMs: PING_MS });
    if (status !== 200) throw this.#noAnswer(`GET /sandboxes gave status ${status}`);
    return (JSON.parse(body) as { sandboxes: SandboxReport[] }).sandboxes;
  }

  /** Calls a function with a JSON value; without one the body is empty. The function's own errors are answers, too. */
  async invoke(name: string, payload?: unknown, timeoutMs = INVOKE_MS): Promise<WorkerResponse> {
    const body = payload === undefined ? '' : JSON.stringify(payload);
    const headers = { 'content-type': 'application/json' };
    return await this.request(`/runLambda/${encodeURIComponent(name)}`, {
      method: 'POST',
      headers,
      body,
      timeoutMs,
    });
  }

  /** Any request, for what the methods above do not cover. */
  request(path: string, options: RequestOptions = {}): Promise<WorkerResponse> {
    const { method = 'GET', headers = {}, body = '', timeoutMs = PING_MS } = options;
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(timeoutMs);
      const fail = (cause: unknown) => {
        reject(
          this.#noAnswer(signal.aborted ? `no response within ${timeoutMs} ms` : reasonOf(cause), cause),
        );
      };
      const length = { 'content-length': String(Buffer.byteLength(body)) };
      const outgoing = request(`${this.url}${path}`, {
        agent: this.#agent,
        method,
        headers: method === 'GET' && body === '' ? headers : { ...length, ...headers },
        signal,
      });
      outgoing.once('error', fail);
      outgoing.once('response', (response) => readResponse(response).then(resolve, fail));
      outgoing.end(body);
    });
  }

  /** Closes the connections. */
  close(): void {
    this.#agent.destroy();
  }

  #noAnswer(reason: string, cause?: unknown): OlError {
    return new OlError('ERR_NO_ANSWER', { url: this.url, reason }, { cause });
  }
}

/** A client of the worker at `url`, as `clusterReport` asks for one. */
export function connectWorker(url: string): WorkerClient {
  return new WorkerClient(url);
}

async function readResponse(response: IncomingMessage): Promise<WorkerResponse> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const { statusCode = 0, statusMessage = '', headers } = response;
  return {
    status: statusCode,
    statusText: statusMessage,
    headers,
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

function reasonOf(error: unknown): string {
  const { code, message } = Object(error);
  return String(code ?? message ?? error);
}
