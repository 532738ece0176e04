import { OlError } from '../../errors.ts';

/** What stands for the bundle as a whole in a message. */
const WHOLE = 'it';
const SHOWN_CHARACTERS = 100;
const PLAIN = /^[\w.@+,:=\-/]+$/;

/** Why a bundle is refused: control flow inside this folder, which has no function's name yet and never leaves it. */
export class Refused extends Error {
  /** The entry as it is shown, or `it` for the bundle. */
  readonly entry: string;
  readonly reason: string;

  /** `entry` is a name as the archive has it, null for the bundle as a whole. */
  constructor(entry: string | null, reason: string, options?: { cause?: unknown }) {
    const shownEntry = entry === null ? WHOLE : shown(entry);
    super(`${shownEntry} ${reason}`, options);
    this.name = 'Refused';
    this.entry = shownEntry;
    this.reason = reason;
  }
}

/** Does `work`; where it refuses the bundle, throws ERR_BUNDLE_REFUSED for the function `name`. */
export async function orRefused<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new OlError(
      'ERR_BUNDLE_REFUSED',
      { name, entry: error.entry, reason: error.reason },
      { cause: error },
    );
  }
}

/** A name that somebody else chose: short, on one line, with nothing in it that a terminal would obey. */
export function shown(name: string): string {
  const short = name.length > SHOWN_CHARACTERS ? `${name.slice(0, SHOWN_CHARACTERS)}…` : name;
  if (PLAIN.test(short)) return short;
  return JSON.stringify(short).replace(
    /\p{C}|[\u2028\u2029]/gu,
    (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
