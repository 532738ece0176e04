import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Cgroup } from '../../src/cgroup/cgroup.ts';

type Action = 'idle' | 'count' | 'eat' | 'fork' | 'burn' | 'echo' | 'write';
type Told = Readonly<Record<string, number>>;

/** A real process in a cgroup. Disposing of it ends it. */
export class CgroupChild implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** The name of the signal that ended it, or its exit code. */
  readonly ended: Promise<NodeJS.Signals | number>;

  /** Resolves when it is in. `argument` depends on what it does; see cgroup-child.py. */
  static async start(cgroup: Cgroup, action: Action, argument: string | number = ''): Promise<CgroupChild> {
    using entry = cgroup.openEntry();
    const script = join(import.meta.dirname, 'cgroup-child.py');
    const process = spawn('/usr/bin/python3', [script, entry.kind, action, String(argument)], {
      env: { ENTRY_COUNT: String(entry.fds.length), PYTHONDONTWRITEBYTECODE: '1' },
      stdio: ['pipe', 'pipe', 'inherit', ...entry.fds],
    });
    const child = new CgroupChild(process);
    await child.next();
    return child;
  }

  private constructor(process: ChildProcess) {
    this.#process = process;
    if (process.stdout === null) throw new Error('it has no stdout');
    this.#lines = createInterface(process.stdout)[Symbol.asyncIterator]();
    this.ended = once(process, 'exit').then(([code, signal]) => signal ?? code);
  }

  /** The next thing that it tells. */
  async next(): Promise<Told> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`it ended: ${await this.ended}`);
    return JSON.parse(value);
  }

  /** Gives one that echoes a byte. */
  send(): void {
    this.#process.stdin?.write('x');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.ended;
  }
}
