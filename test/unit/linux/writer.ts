import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

const SCRIPT = join(import.meta.dirname, 'writer.py');

export interface Writer {
  /** Lets a writer that waits go on, and returns when it is done. */
  finish(): Promise<void>;
  /** Returns when the writer has ended by itself. */
  readonly done: Promise<unknown>;
}

/** Starts `writer.py`, and returns when it has the file open. It ends with the test. */
export async function startWriter(...args: string[]): Promise<Writer> {
  const child = spawn('/usr/bin/python3', [SCRIPT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const done = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await done;
  });
  await once(createInterface({ input: child.stdout }), 'line');
  const finish = async () => {
    child.stdin.end('\n');
    await done;
  };
  return { finish, done };
}
