/** The machine's dockerd; null for none. */
export function findDockerd(): string | null;

/** Installs it where that can be done; returns why there is none then, and null where there is one. */
export function ensureDockerd(): Promise<string | null>;
