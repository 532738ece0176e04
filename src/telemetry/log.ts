import { type Logger, pino, stdSerializers } from 'pino';
import pretty from 'pino-pretty';
import { LogDestination } from './log-destination.ts';

export type Log = Logger;

/**
 * The log of a service, on stdout: readable lines on a terminal, JSON lines otherwise. From now on, what Node warns of is one
 * of them.
 */
export function serviceLog(level: string): Log {
  const log = createLog(level);
  process.removeAllListeners('warning'); // Node's own, which prints them
  process.on('warning', (warning) => log.warn({ err: warning, warning: warning.name }, 'Node warns'));
  return log;
}

function createLog(level: string): Log {
  const options = { level, base: null, serializers: { err: stdSerializers.err } };
  if (!process.stdout.isTTY) return pino(options, new LogDestination(1));
  const colorize = process.env.NO_COLOR === undefined;
  return pino(options, pretty({ colorize, sync: true, translateTime: 'SYS:HH:MM:ss.l', destination: 1 }));
}

/** A log that says nothing, for programs that only use parts of the worker. */
export function silentLog(): Log {
  return pino({ level: 'silent' });
}
