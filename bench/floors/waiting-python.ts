import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { PYTHON } from './python.ts';

/** Says that it is there, and gives back what it gets. */
const ECHO = `
import os
data = b'ready'
while data:
    os.write(1, data)
    data = os.read(0, 16)
`;

/** A bare Python that does nothing but wait for something to give back. Gone when disposed. */
export class WaitingPython implements AsyncDisposable {
  readonly pid: number;
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;

  /** Resolves when it waits. */
  static async start(): Promise<WaitingPython> {
    const process = spawn(PYTHON, ['-I', '-S', '-c', ECHO], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(process.stdout, 'data');
    return new WaitingPython(process);
  }

  private constructor(process: ChildProcessByStdio<Writable, Readable, null>) {
    if (process.pid === undefined) throw new Error('it has no pid');
    this.pid = process.pid;
    this.#process = process;
  }

  /** Sends it a byte, and waits until that is back. */
  async echo(): Promise<void> {
    this.#process.stdin.write('x');
    await once(this.#process.stdout, 'data');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#process, 'close');
    this.#process.kill('SIGKILL');
    await closed;
  }
}
