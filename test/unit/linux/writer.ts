import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

const SCRIPT = join(import.meta.dirname, 'writer.py');

export interface Writer {
  /** Tells the writer to go on, or to stop, and returns the last line that it said when it has ended. */
  finish(): Promise<string>;
}

/** Starts `writer.py`, and returns when it has the file open. It ends with the test. */
export async function startWriter(...args: string[]): Promise<Writer> {
  const child = spawn('/usr/bin/python3', [SCRIPT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  const said: string[] = [];
  const lines = createInterface({ input: child.stdout }).on('line', (line) => said.push(line));
  await once(lines, 'line');
  const finish = async () => {
    child.stdin.end('\n');
    await closed;
    return said.at(-1) ?? '';
  };
  return { finish };
}
