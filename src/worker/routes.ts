import type { IncomingMessage, ServerResponse } from 'node:http';
import { OlError, toOlError } from '../errors.ts';
import type { FunctionManager } from '../functions/manager.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type FlatHeaders, JSON_TYPE, send, sendError, TEXT_TYPE } from './answers.ts';
import type { RunLambda } from './run-lambda.ts';

const RUN_LAMBDA = '/runLambda/';
const PACKAGES = '/packages/';

export interface Routes {
  readonly runLambda: RunLambda;
  readonly functions: FunctionManager;
  readonly metrics: Metrics;
  readonly log: Log;
  /** True once the worker has been told to end. */
  readonly isClosing: () => boolean;
}

/** Finds what a request is for: this is the whole of the worker's HTTP interface. */
export function route(routes: Routes, request: IncomingMessage, response: ServerResponse): void {
  const { method = 'GET', url = '/' } = request;
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  if (method === 'OPTIONS') return send(response, 200, TEXT_TYPE, '');
  if (path.startsWith(RUN_LAMBDA)) {
    if (method !== 'POST') return refuseMethod(routes, response, method, path, 'POST, OPTIONS');
    return routes.runLambda.handle(request, response, path.slice(RUN_LAMBDA.length));
  }
  if (path.startsWith(PACKAGES)) {
    if (method !== 'POST') return refuseMethod(routes, response, method, path, 'POST, OPTIONS');
    return void answerPackages(routes, response, path.slice(PACKAGES.length));
  }
  const read = READS[path];
  if (read === undefined) return refuse(routes, response, new OlError('ERR_NO_ROUTE', { path: shown(path) }));
  if (method !== 'GET' && method !== 'HEAD')
    return refuseMethod(routes, response, method, path, 'GET, HEAD, OPTIONS');
  void answerRead(routes, response, read);
}

type Read = (routes: Routes, response: ServerResponse) => void | Promise<void>;

const READS: Readonly<Record<string, Read>> = {
  '/status': (routes, response) => {
    if (routes.isClosing()) refuse(routes, response, new OlError('ERR_SHUTTING_DOWN', {}));
    else send(response, 200, TEXT_TYPE, 'ready\n');
  },
  '/metrics': async (routes, response) => {
    const { type, body } = await routes.metrics.text();
    send(response, 200, type, body);
  },
  '/sandboxes': (routes, response) => {
    send(response, 200, JSON_TYPE, `${JSON.stringify({ sandboxes: routes.functions.sandboxes() })}\n`);
  },
};

/** Has a function's packages installed ahead of its first call: no more than that call would do. */
async function answerPackages(routes: Routes, response: ServerResponse, name: string): Promise<void> {
  try {
    const lock = await routes.functions.prepare(name);
    const packages = lock?.packages.map(({ name, version, dir }) => ({ name, version, dir })) ?? [];
    send(response, 200, JSON_TYPE, `${JSON.stringify({ packages })}\n`);
  } catch (thrown) {
    const error = toOlError(thrown);
    if (error.code === 'ERR_INTERNAL') routes.log.error({ err: thrown }, 'packages could not be made ready');
    refuse(routes, response, error);
  }
}

async function answerRead(routes: Routes, response: ServerResponse, read: Read): Promise<void> {
  try {
    await read(routes, response);
  } catch (thrown) {
    const error = toOlError(thrown);
    routes.log.error({ err: thrown }, 'a request for the state of the worker failed');
    refuse(routes, response, error);
  }
}

function refuse(routes: Routes, response: ServerResponse, error: OlError, headers: FlatHeaders = []): void {
  routes.metrics.refused(error.code);
  sendError(response, error, headers);
}

/** `allow` is what the path allows. */
function refuseMethod(
  routes: Routes,
  response: ServerResponse,
  method: string,
  path: string,
  allow: string,
): void {
  refuse(routes, response, new OlError('ERR_BAD_METHOD', { method, path: shown(path), allow }), [
    'Allow',
    allow,
  ]);
}

function shown(path: string): string {
  return path.length > 100 ? `${path.slice(0, 100)}...` : path;
}
