import { ARM64_CALLS } from './syscalls-arm64.ts';
import { SHARED_CALLS } from './syscalls-shared.ts';
import { X64_CALLS } from './syscalls-x64.ts';

/** The machines that sandboxes run on, as `process.arch` names them. */
export type Arch = 'x64' | 'arm64';

/** The number of each system call by its name, for each machine; complete for Linux 6.x. */
export const CALL_NUMBERS: Readonly<Record<Arch, ReadonlyMap<string, number>>> = {
  x64: numbersOf(X64_CALLS, SHARED_CALLS),
  arm64: numbersOf(ARM64_CALLS, SHARED_CALLS),
};

function numbersOf(...tables: Readonly<Record<number, string>>[]): Map<string, number> {
  const lines = tables.flatMap((table) => Object.entries(table));
  const calls = lines.flatMap(([first, line]) =>
    words(line).map((name, index): [string, number] => [name, Number(first) + index]),
  );
  return new Map(calls);
}

/** The words of a text, whatever white space is between them. */
export function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
