import { parseArgs } from 'node:util';
import { isOlError, OlError } from '../src/errors.ts';

/** A mistake in the command line; the message says what was expected. */
export class UsageError extends Error {}

const USAGE = 'use `npm start`, or `npm start -- --port=9000` for a worker on another port';

/** The port that the user asked for, by `--port` or OL_PORT; null for that of the cluster's template. */
export function chosenPort(args: readonly string[], env: NodeJS.ProcessEnv): number | null {
  const text = portFlag(args) ?? env.OL_PORT;
  if (text === undefined || text === '') return null;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new UsageError(`'${text}' is not a port from 0 to 65535: ${USAGE}.`);
}

function portFlag(args: readonly string[]): string | undefined {
  try {
    return parseArgs({ args: [...args], options: { port: { type: 'string' } } }).values.port;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(`npm start does not know ${args.join(' ')}: ${USAGE}.`, { cause: error });
  }
}

/** What to tell the user about an error: a sentence for one from the table, the stack for one that nobody foresaw. */
export function explain(error: unknown): string {
  if (error instanceof UsageError) return error.message;
  if (!(error instanceof OlError))
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const isPort = isOlError(error, 'ERR_PORT_HELD') || isOlError(error, 'ERR_PORT_TAKEN');
  if (!isPort) return error.message;
  return `${error.message} (here: \`npm start -- --port=${Number(error.fields.port) + 1}\`, or OL_PORT).`;
}
