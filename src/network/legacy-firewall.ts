import { readFile } from 'node:fs/promises';
import { findProgram, runProgram } from './program.ts';

/** The tables of the older iptables, which nft does not show, in this network namespace. There is no such file where the kernel lacks them. */
const TABLES = '/proc/self/net/ip_tables_names';
/** On machines that have nothing newer `iptables` is the same. */
const PROGRAMS = ['iptables-legacy', 'iptables'];
/** In seconds: somebody else may be changing them. */
const WAIT_S = '5';

/** As `closedForwardChain`, of the older iptables; null also where no program is installed that could tell. Rejects with its words. */
export async function closedLegacyChain(): Promise<string | null> {
  // Asking would else load the modules, and make the tables.
  if (!(await readTables()).includes('filter')) return null;
  const program = PROGRAMS.map((name) => findProgram(name)).find((path) => path !== null) ?? null;
  return program === null ? null : closedForward(await runProgram(program, ['-w', WAIT_S, '-S'], ''));
}

/**
 * From a list of rules (`iptables -S`): `iptables-legacy FORWARD` where that drops what it does not know, and none of its rules is about
 * links of ours; else null.
 */
export function closedForward(rules: string): string | null {
  const isClosed = /^-P FORWARD DROP$|^-A FORWARD -j (DROP|REJECT)\b/m.test(rules);
  return isClosed && !rules.includes('openlambda-') ? 'iptables-legacy FORWARD' : null;
}

async function readTables(): Promise<string[]> {
  try {
    return (await readFile(TABLES, 'utf8')).split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
