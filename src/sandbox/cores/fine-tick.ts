import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Log } from '../../telemetry/log.ts';
import { PYTHON, RUNTIME_DIR } from '../sock/launcher.ts';

const READY = 'ready';

/**
 * A tick of our own on each core, for as long as it is wanted: a process with a real-time thread on each, which wakes up before
 * anything else and sleeps again (`fine_tick.py`). Each time the kernel chooses anew who runs. It costs 2 to 4 % of each core.
 */
export class FineTick {
  readonly #child: ChildProcess | null;
  #isClosing = false;

  /** `cores` is how many the worker may use. Where it can't be had, the log says why, and `set` does nothing. */
  constructor(everyUs: number, cores: number, log: Log) {
    const missing = (reason: string) => {
      if (!this.#isClosing)
        log.warn({ reason }, 'no fine tick: while sandboxes take all cores, calls may wait');
    };
    this.#child = start([everyUs, cores], missing);
  }

  /** Whether it is wanted. */
  set(isWanted: boolean): void {
    this.#child?.stdin?.write(isWanted ? '1' : '0');
  }

  /** Resolves when it has ended. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#child === null) return;
    const { exitCode, signalCode, pid } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** `missing` is told why there is none, or none any more. Null where nothing could be started. */
function start(args: readonly number[], missing: (reason: string) => void): ChildProcess | null {
  const argv = ['-I', '-S', '-B', `${RUNTIME_DIR}/fine_tick.py`, ...args.map(String)];
  try {
    const child = spawn(PYTHON, argv, {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {},
      cwd: '/',
      detached: true, // a group of its own: ctrl-C in the terminal is for the worker
    });
    let said = READY;
    child.on('error', ({ message }) => {
      said = message;
    });
    createInterface(child.stdout).on('line', (line) => {
      said = line;
    });
    child.stdin.on('error', () => {}); // it has ended, which `close` tells
    child.on('close', () => missing(said === READY ? 'its process has ended' : said));
    return child;
  } catch (error) {
    missing((error as Error).message);
    return null;
  }
}
