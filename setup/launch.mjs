import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter, dirname } from 'node:path';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/** Runs `node ...argv` on this terminal to its end, and ends this process in the same way: status or signal. */
export async function launch(node, argv) {
  const PATH = [dirname(node), process.env.PATH].filter(Boolean).join(delimiter);
  const child = spawn(node, argv, { stdio: 'inherit', env: { ...process.env, PATH } });
  const letGo = passSignals(child);
  const [status, signal] = await once(child, 'exit').finally(letGo);
  if (signal === null) process.exitCode = status;
  else process.kill(process.pid, signal);
}

/** Passes signals on to `child` until the returned function is called. */
export function passSignals(child) {
  const handlers = SIGNALS.map((signal) => [signal, () => isFromTerminal(signal) || child.kill(signal)]);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}

/** A terminal sends ctrl-C to the whole process group: the child has it, and twice often means "at once". */
function isFromTerminal(signal) {
  return process.stdin.isTTY === true && (signal === 'SIGINT' || signal === 'SIGQUIT');
}
