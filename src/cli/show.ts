import { isAbsolute, relative } from 'node:path';

/** A path as a user would write it: relative where it is below the working directory. */
export function showPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near === '' || near.startsWith('..') || isAbsolute(near) ? path : near;
}

/** A word as a shell takes it, in quotes where it needs them. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Prints data: one line on stdout. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Tells about something on the way, on stderr. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Tells how far something is, to whoever watches: on a terminal only. */
export function progress(line: string): void {
  if (process.stderr.isTTY && process.env.CI === undefined) note(line);
}

/** A size as people read it: `817 B`, `1.2 kB`, `3.4 MB`. */
export function showBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
