import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { OlError } from '../../errors.ts';
import { requireDescriptors } from '../../linux/descriptors.ts';

/** The distribution's Python; another one in PATH is outside the base image. */
export const PYTHON = '/usr/bin/python3';
export const RUNTIME_DIR = fileURLToPath(new URL('../../../runtime/python', import.meta.url));

/** What is wrong with the program itself, and not with the machine at this moment. */
const NO_PROGRAM = ['ENOENT', 'EACCES', 'ENOEXEC', 'ENOTDIR'];

/**
 * Starts the launcher, with its end of the control socket of PID 1: its settings go to stdin, events come from descriptor 4. Throws
 * ERR_NO_PYTHON; ERR_ZYGOTE where no process can be started now.
 */
export async function spawnLauncher(control: number): Promise<ChildProcess> {
  const child = await spawned(control);
  if (!(child instanceof Error)) return child;
  const { code = '', message } = child as NodeJS.ErrnoException;
  if (!NO_PROGRAM.includes(code))
    throw new OlError('ERR_ZYGOTE', { reason: `start: ${message}` }, { cause: child });
  const reason = `${message}; install the distribution's python3, 3.9 or newer`;
  throw new OlError('ERR_NO_PYTHON', { path: PYTHON, reason }, { cause: child });
}

/**
 * Three pairs of sockets and a pipe, and some to spare. Where the sockets can be had and the pipe can't, Node closes none of the
 * sockets, and nobody else can.
 */
const DESCRIPTORS = 10;

/** Some errors are thrown, others come later, and then there may be no streams either. */
async function spawned(control: number): Promise<ChildProcess | Error> {
  try {
    requireDescriptors(DESCRIPTORS);
    // A group of its own: ctrl-C in the terminal is for the worker, which lets requests finish.
    const child = spawn(PYTHON, ['-I', '-S', '-B', `${RUNTIME_DIR}/launch.py`], {
      stdio: ['pipe', 'ignore', 'pipe', control, 'pipe'],
      env: {},
      cwd: '/',
      detached: true,
    });
    if (child.pid !== undefined) return child;
    const [error] = await once(child, 'error');
    return error;
  } catch (error) {
    return error as Error;
  }
}
