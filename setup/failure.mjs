import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { ROOT } from './where.mjs';

/** A failure of the set-up that the user can mend: the message is one sentence with the remedy. */
export class SetupError extends Error {
  name = 'SetupError';

  constructor(message, { details, cause } = {}) {
    super(message, { cause });
    /** What another program said about it, shown above the sentence. */
    this.details = details;
  }
}

const FILE_TROUBLE = {
  EACCES: 'belongs to another user: run this as that user or as root, or `chown` it to yourself',
  EPERM: 'belongs to another user: run this as that user or as root, or `chown` it to yourself',
  EROFS: 'is on a read-only file system: make it writable, or use a checkout elsewhere',
  ENOSPC: 'is on a full disk: the set-up needs about 600 MB there',
};

/** The last line that a program wrote before it failed, which says what is wrong. */
export function lastWords(error) {
  return String(error.stderr || error.message)
    .trim()
    .split('\n')
    .at(-1);
}

/** What to tell the user about an error; one that is not foreseen is thrown on, with its stack. */
export function sentenceFor(error) {
  if (error instanceof SetupError) return [error.details, error.message].filter(Boolean).join('\n');
  const trouble = FILE_TROUBLE[error?.code];
  if (trouble === undefined) throw error;
  const { path = ROOT } = error;
  return `${existsSync(path) ? path : dirname(path)} ${trouble}.`; // a new file is refused by its directory
}
