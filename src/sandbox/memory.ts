import { readFile } from 'node:fs/promises';
import { isProcessGone } from '../linux/process-gone.ts';

/**
 * Memory of a process and its descendants, in kB: proportional set size, so a page that is shared with the zygote
 * counts for the part that falls to each. 0 for processes that are gone.
 */
export async function memoryOfTree(pid: number): Promise<number> {
  const [own, children] = await Promise.all([memoryOf(pid), childrenOf(pid)]);
  const below = await Promise.all(children.map(memoryOfTree));
  return below.reduce((sum, kb) => sum + kb, own);
}

/** What a process has written to and shares with no other, in kB; 0 when it is gone. */
export async function privateMemoryKb(pid: number): Promise<number> {
  const text = await readIfThere(`/proc/${pid}/smaps_rollup`);
  return Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
}

async function memoryOf(pid: number): Promise<number> {
  const text = await readIfThere(`/proc/${pid}/smaps_rollup`);
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readIfThere(`/proc/${pid}/task/${pid}/children`);
  return text.split(' ').filter(Boolean).map(Number);
}

/** Empty for a process that ends while it is looked at. */
async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isProcessGone(error)) return '';
    throw error;
  }
}
