import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { makeTestDir, removeEmptyRoot } from '../helpers/test-root.ts';

export const CLI = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A working directory for `admin`, and what a test asks about it. */
export interface Place {
  readonly dir: string;
  admin(...args: string[]): Promise<Ran>;
  /** With these variables beside those of the environment. */
  adminWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ran>;
  path(...parts: string[]): string;
  read(...parts: string[]): string;
}

/** Runs a program to its end; never throws for its exit status. */
export function run(
  file: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { cwd, env }, (error, stdout, stderr) => {
      const status = error === null ? 0 : error.code;
      if (typeof status === 'number') resolve({ status, stdout, stderr });
      else reject(error);
    });
  });
}

/** Gives the file's tests a directory of their own; its cluster `c` is ended and everything removed afterwards. */
export function usePlace(): Place {
  let dir = '';
  const adminWith = (env: NodeJS.ProcessEnv, ...args: string[]) =>
    run(process.execPath, [CLI, ...args], dir, { ...process.env, ...env });
  const admin = (...args: string[]) => adminWith({}, ...args);
  beforeAll(async () => {
    dir = await makeTestDir();
  });
  afterAll(async () => {
    await admin('kill', '--cluster=c');
    rmSync(dir, { recursive: true, force: true });
    await removeEmptyRoot();
  });
  const path = (...parts: string[]) => join(dir, ...parts);
  const read = (...parts: string[]) => readFileSync(path(...parts), 'utf8');
  return {
    get dir() {
      return dir;
    },
    admin,
    adminWith,
    path,
    read,
  };
}

/** Writes a function into a registry. */
export function writeFunction(registry: string, name: string, code: string): void {
  mkdirSync(join(registry, name), { recursive: true });
  writeFileSync(join(registry, name, 'lambda_func.py'), code);
}

/** Calls a function of the worker that listens there. */
export async function call(port: string, name: string, body: unknown) {
  const answer = await fetch(`http://localhost:${port}/runLambda/${name}`, {
    method: 'POST',
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.text() };
}

/** Starts a worker of cluster `c`; returns its port. */
export async function startWorker({ admin }: Place): Promise<string> {
  const { stdout, stderr } = await admin('workers', '--cluster=c', '--port=0');
  const port = /localhost:(\d+)/.exec(stdout)?.[1];
  if (port === undefined) throw new Error(stderr);
  return port;
}
