import { closeSync, writeSync } from 'node:fs';
import { toOlError } from '../errors.ts';

/**
 * How a worker in the background tells `admin workers` that it serves, or why it does not: one line of JSON on a pipe of its
 * own, then the end of it. This file is the only one that knows the form, for both sides.
 */
export type ReadyLine =
  | { readonly ready: true; readonly port: number }
  | { readonly error: { readonly code: string; readonly message: string } };

/** Names the descriptor of the pipe. */
export const READY_FD_ENV = 'OL_READY_FD';

export interface ReadyChannel {
  ready(port: number): void;
  failed(error: unknown): void;
}

/** The worker's side. Takes the variable out of the environment; without one, nobody waits and nothing is written. */
export function takeReadyChannel(env: NodeJS.ProcessEnv): ReadyChannel {
  const fd = Number(env[READY_FD_ENV] ?? Number.NaN);
  delete env[READY_FD_ENV];
  const tell = (line: ReadyLine) => {
    if (Number.isInteger(fd)) writeAndClose(fd, `${JSON.stringify(line)}\n`);
  };
  return {
    ready: (port) => tell({ ready: true, port }),
    failed: (error) => {
      const { code, message } = toOlError(error);
      tell({ error: { code, message } });
    },
  };
}

/** The other side: what the worker said, or null where it ended without a whole line. */
export function parseReadyLine(text: string): ReadyLine | null {
  return text.endsWith('\n') ? JSON.parse(text) : null;
}

function writeAndClose(fd: number, line: string): void {
  try {
    writeSync(fd, line);
  } catch (error) {
    // Whoever waited has given up: the worker serves all the same.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  } finally {
    closeSync(fd);
  }
}
