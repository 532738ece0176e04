import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

const ATTACK = readFileSync(join(import.meta.dirname, 'programs/packages/attack.py'), 'utf8');

/** A module that attacks when it is imported; `found` is what came of it. */
export function attackingModule(canaries: readonly string[], port: number): string {
  return `${ATTACK}\nfound = attack(${JSON.stringify(canaries)}, ${port})\n`;
}

/** What it found is what an ordinary user without power finds, to whom the machine is not there. */
export function expectRefused(found: Readonly<Record<string, unknown>>): void {
  const tried = Object.entries(found).filter(([key]) => /^(read|write|connect) /.test(key));
  expect(tried.filter(([, came]) => String(came).startsWith('got'))).toEqual([]);
  expect(tried.length).toBeGreaterThan(10);
  expect(found).toMatchObject({ capabilities: '0'.repeat(16), directories: [], uid: 1000 });
}
