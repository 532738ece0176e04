import { join, relative } from 'node:path';
import { shellWord } from '../src/cli/show.ts';

const ROOT = join(import.meta.dirname, '..');
export const CLUSTER = join(ROOT, 'my-cluster');

/** A path as the user would write it, from where their shell is; npm itself goes to the checkout's root. */
export function near(path: string): string {
  return relative(process.env.INIT_CWD ?? process.cwd(), path) || '.';
}

/** An admin command on the cluster, to be pasted into the user's shell. */
export function adminCommand(name: string): string {
  const admin = near(join(ROOT, 'bin', 'admin'));
  const command = admin.startsWith('../') ? admin : `./${admin}`;
  return `${shellWord(command)} ${name} -cluster=${shellWord(near(CLUSTER))}`;
}

/** One line of the answer, on stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One line about what is done, on stderr. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
