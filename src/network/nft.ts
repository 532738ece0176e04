import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** Where distributions have it; a user's PATH may lack the directories of root's programs. */
const PLACES = ['/usr/sbin', '/sbin', '/usr/bin', '/usr/local/sbin'];

const usualDirs = () => [...(process.env.PATH ?? '').split(':'), ...PLACES];

/** The path of `nft`; null where there is none. */
export function findNft(dirs: readonly string[] = usualDirs()): string | null {
  return findProgram('nft', dirs);
}

/** The path of a program of root's; null where there is none. */
export function findProgram(name: string, dirs: readonly string[] = usualDirs()): string | null {
  return dirs.map((dir) => join(dir, name)).find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return path.startsWith('/');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR') return false;
    throw error;
  }
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

/** What such a program prints. Rejects with an Error whose message is its own. */
export async function runProgram(path: string, args: readonly string[], input: string): Promise<string> {
  const child = spawn(path, args, { stdio: 'pipe', env: {} });
  const [out, err] = [child.stdout, child.stderr].map((stream) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    return chunks;
  });
  child.stdin.on('error', () => {}); // it has ended without reading: its status tells
  child.stdin.end(input);
  const status = await new Promise<number | string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? String(signal)));
  });
  if (status === 0) return Buffer.concat(out ?? []).toString();
  const said = Buffer.concat(err ?? [])
    .toString()
    .trim();
  throw new Error(said.split('\n')[0] || `${path} ended with ${status}`);
}
