import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { PYTHON } from './python.ts';

const SPIN = `
import os
os.write(1, b'ready')
while True:
    pass
`;

/** A bare Python that uses all the CPU it gets. Gone when disposed. */
export class BusyPython implements AsyncDisposable {
  readonly pid: number;
  readonly #process: ChildProcessByStdio<null, Readable, null>;

  /** Resolves when it runs. */
  static async start(): Promise<BusyPython> {
    const process = spawn(PYTHON, ['-I', '-S', '-c', SPIN], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(process.stdout, 'data');
    return new BusyPython(process);
  }

  private constructor(process: ChildProcessByStdio<null, Readable, null>) {
    if (process.pid === undefined) throw new Error('it has no pid');
    this.pid = process.pid;
    this.#process = process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#process, 'close');
    this.#process.kill('SIGKILL');
    await closed;
  }
}
