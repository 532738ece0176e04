import { findProgram, runProgram } from './program.ts';

/** The path of `nft`; null where there is none. */
export function findNft(dirs?: readonly string[]): string | null {
  return findProgram('nft', dirs);
}

/** Has nft carry out these rules in one transaction. Rejects with an Error whose message is nft's own. */
export async function runNft(nft: string, rules: string): Promise<void> {
  await runProgram(nft, ['-f', '-'], rules);
}

/** The text of all chains that hang on a hook, `nft list chains`. */
export async function listChains(nft: string): Promise<string> {
  return await runProgram(nft, ['list', 'chains'], '');
}

/** The text of `nft list tables`. Empty where nobody may look at them: nobody here has made one then. */
export async function listTables(nft: string): Promise<string> {
  return await runProgram(nft, ['list', 'tables'], '').catch(() => '');
}
