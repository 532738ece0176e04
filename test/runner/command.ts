import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Runs `node ...argv` on this terminal to its end; resolves to its status, or to the name of the signal that ended it.
 * Signals reach it, and this process waits for it, so that tests can tidy up and the last line is still printed.
 */
export async function runNode(
  argv: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<number | NodeJS.Signals> {
  const child = spawn(process.execPath, argv, { cwd, env, stdio: 'inherit' });
  const pass = (signal: NodeJS.Signals): void => {
    // A terminal sends ctrl-C to the child by itself; a second one would end it before it tidied up.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, pass);
  try {
    const [status, signal] = await once(child, 'exit');
    return status ?? signal;
  } finally {
    for (const signal of signals) process.off(signal, pass);
  }
}
