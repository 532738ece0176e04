import type { IncomingMessage, ServerResponse } from 'node:http';
import { OlError } from '../errors.ts';
import type { FunctionManager } from '../functions/manager.ts';
import { JSON_TYPE, send, sendError, TEXT_TYPE } from './answers.ts';
import type { RunLambda } from './run-lambda.ts';

const RUN_LAMBDA = '/runLambda/';

export interface Routes {
  readonly runLambda: RunLambda;
  readonly functions: FunctionManager;
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
    if (method !== 'POST') return refuseMethod(response, method, path, 'POST, OPTIONS');
    return routes.runLambda.handle(request, response, path.slice(RUN_LAMBDA.length));
  }
  const read = READS[path];
  if (read === undefined) return sendError(response, new OlError('ERR_NO_ROUTE', { path: shown(path) }));
  if (method !== 'GET' && method !== 'HEAD')
    return refuseMethod(response, method, path, 'GET, HEAD, OPTIONS');
  return read(routes, response);
}

const READS: Readonly<Record<string, (routes: Routes, response: ServerResponse) => void>> = {
  '/status': (routes, response) => {
    if (routes.isClosing()) sendError(response, new OlError('ERR_SHUTTING_DOWN', {}));
    else send(response, 200, TEXT_TYPE, 'ready\n');
  },
  '/sandboxes': (routes, response) => {
    send(response, 200, JSON_TYPE, `${JSON.stringify({ sandboxes: routes.functions.sandboxes() })}\n`);
  },
};

function refuseMethod(response: ServerResponse, method: string, path: string, allow: string): void {
  const error = new OlError('ERR_BAD_METHOD', { method, path: shown(path), allow });
  sendError(response, error, { Allow: allow });
}

function shown(path: string): string {
  return path.length > 100 ? `${path.slice(0, 100)}...` : path;
}
