import { type Logger, pino, stdSerializers } from 'pino';
import pretty from 'pino-pretty';
import { LogDestination } from './log-destination.ts';

export type Log = Logger;

/** A log on stdout: readable lines on a terminal, JSON lines otherwise. */
export function createLog(level: string): Log {
  const options = { level, base: null, serializers: { err: stdSerializers.err } };
  if (!process.stdout.isTTY) return pino(options, new LogDestination(1));
  const colorize = process.env.NO_COLOR === undefined;
  return pino(options, pretty({ colorize, sync: true, translateTime: 'SYS:HH:MM:ss.l', destination: 1 }));
}

/** A log that says nothing, for programs that only use parts of the worker. */
export function silentLog(): Log {
  return pino({ level: 'silent' });
}
