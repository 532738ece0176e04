import { CommanderError } from 'commander';
import { OlError } from '../errors.ts';
import { UsageError } from './command.ts';

/** What to do where the operating system refuses, by errno. */
const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'run this as root, with `sudo -s` for instance',
  EPERM: 'run this as root, with `sudo -s` for instance',
  EROFS: 'choose a place that can be written to',
  ENOSPC: 'make room on that disk',
  EDQUOT: 'make room on that disk',
};

/** Mistakes that say nothing of what would be right. */
const NEEDS_HELP = new Set([
  'commander.unknownOption',
  'commander.missingArgument',
  'commander.optionMissingArgument',
]);

/** 0 for success, 1 for a failure, 2 for a mistake in the command line. */
export function exitStatus(error: unknown): number {
  // Commander throws the help and the version that were asked for as well, with exit code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof UsageError ? 2 : 1;
}

/**
 * What to tell the user about a thrown value; null for nothing. What nobody foresaw comes with its stack. `help` is the command
 * that prints the help of what was asked for.
 */
export function explain(error: unknown, help: string): string | null {
  if (error instanceof CommanderError) return explainUsage(error, help);
  if (!(error instanceof Error)) return String(error);
  if (error instanceof OlError || error instanceof UsageError) return error.message;
  return 'code' in error ? explainErrno(error.message, String(error.code)) : (error.stack ?? error.message);
}

function explainErrno(message: string, errno: string): string {
  const remedy = REMEDIES[errno];
  return remedy === undefined ? message : `${message}: ${remedy}`;
}

function explainUsage({ code, message, exitCode }: CommanderError, help: string): string | null {
  // `admin` alone prints the help and nothing else.
  if (exitCode === 0 || code === 'commander.help') return null;
  const text = message.replace(/^error: /, '').replace(/\n\(Did you mean (.+)\?\)$/, ': did you mean $1?');
  if (code === 'commander.excessArguments') {
    return `${text} A cluster is named with --cluster: see \`${help}\``;
  }
  if (code === 'commander.invalidArgument') return text.replace(' is invalid. ', ' is invalid: ');
  return NEEDS_HELP.has(code) && !text.includes('did you mean') ? `${text}: see \`${help}\`` : text;
}
