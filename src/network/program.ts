import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** Where distributions have programs of root's: a user's PATH may lack these directories. */
const PLACES = ['/usr/sbin', '/sbin', '/usr/bin', '/usr/local/sbin'];

const usualDirs = () => [...(process.env.PATH ?? '').split(':'), ...PLACES];

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

/** Runs such a program; resolves with what it prints. Rejects with an Error whose message is its own. */
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
