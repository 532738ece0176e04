import { expect } from 'vitest';
import type { WorkerResponse } from '../../src/client/worker-client.ts';
import { ERRORS, type ErrorCode } from '../../src/errors.ts';

/** The response is this error of the table: its status, and a body that holds its code and a message and nothing else. */
export function expectError(response: WorkerResponse, code: ErrorCode, message?: RegExp): void {
  const body = JSON.parse(response.body);
  expect(body).toEqual({ error: { code, message: expect.any(String) } });
  expect(response.status).toBe(ERRORS[code].status);
  expect(response.headers['content-type']).toBe('application/json');
  expect(body.error.message).not.toMatch(/\{\w+\}|undefined/);
  if (message !== undefined) expect(body.error.message).toMatch(message);
}
