import { constants } from 'node:os';

const names = new Map<number, string>(
  Object.entries(constants.signals).map(([name, number]) => [number, name]),
);

/** `SIGKILL` for 9. */
export function signalName(signal: number): string {
  return names.get(signal) ?? `signal ${signal}`;
}
