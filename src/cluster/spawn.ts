import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, stat } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { OlError } from '../errors.ts';
import { writeFileAtomic } from '../linux/durable.ts';
import { HAS_INPUT } from './input.ts';
import { readTail } from './log-tail.ts';
import { parseReadyLine, READY_FD_ENV } from './ready.ts';
import type { Service } from './service.ts';

/** How a start came out. `code` is that of the process's own error, null where it ended without a word. */
export type Outcome =
  | { readonly ready: true; readonly port: number }
  | { readonly ready: false; readonly code: string | null; readonly reason: string };

/** A process that has been started and may not serve yet. */
export interface Spawned {
  readonly pid: number;
  /** Waits until it serves or has ended; after `timeoutMs` it is made to end. */
  outcome(timeoutMs: number): Promise<Outcome>;
}

/**
 * Starts a process in the background, in a session of its own, and writes its pid file. What it gets as `input` it has to ask
 * for by `takeInput`.
 */
export async function spawnService(service: Service, input: string | null = null): Promise<Spawned> {
  const log = await open(service.log, 'a');
  try {
    const logStart = (await stat(service.log)).size;
    const child = spawn(process.execPath, service.args, {
      cwd: '/',
      detached: true,
      env: {
        ...smallEnvironment(process.env),
        ...(input === null ? {} : HAS_INPUT),
        [READY_FD_ENV]: '3',
      },
      stdio: [input === null ? 'ignore' : 'pipe', log.fd, log.fd, 'pipe'],
    });
    if (input !== null) give(child.stdin as Writable, input);
    const said = readAll(child.stdio[3] as Readable);
    const ended = endOf(child);
    await Promise.race([once(child, 'spawn'), ended]);
    const pid = child.pid;
    if (pid === undefined) {
      throw new OlError('ERR_SPAWN', { what: service.name, reason: await ended });
    }
    await writePid(service, child, pid);
    const starting = { service, child, said, ended, logStart };
    return { pid, outcome: (timeoutMs) => waitReady(starting, timeoutMs) };
  } finally {
    await log.close();
  }
}

/** What has no pid file would be nobody's to end. */
async function writePid(service: Service, child: ChildProcess, pid: number): Promise<void> {
  try {
    await writeFileAtomic(service.pid, `${pid}\n`);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

interface Starting {
  readonly service: Service;
  readonly child: ChildProcess;
  readonly said: Promise<string>;
  /** How the process ended. */
  readonly ended: Promise<string>;
  readonly logStart: number;
}

/** Races what the process says against its end and against time. */
async function waitReady(starting: Starting, timeoutMs: number): Promise<Outcome> {
  const { child, said, ended } = starting;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  try {
    // The pipe ends when the process closes it or when it ends, so this waits for either.
    const line = parseReadyLine(await said);
    if (line !== null && 'ready' in line) return line;
    const how = await ended;
    if (line !== null) return { ready: false, code: line.error.code, reason: line.error.message };
    return await silentEnd(starting, timedOut ? `it was not ready within ${timeoutMs} ms` : how);
  } finally {
    clearTimeout(timer);
    child.unref();
  }
}

async function silentEnd({ service, logStart }: Starting, how: string): Promise<Outcome> {
  const tail = await readTail(service.log, logStart, 15);
  const last = tail === '' ? '' : `; the end of its log, ${service.log}:\n${tail}`;
  return { ready: false, code: null, reason: `${how}${last}` };
}

function give(stdin: Writable, input: string): void {
  // Whoever does not read it has ended, which is told by that.
  stdin.on('error', () => {});
  stdin.end(input);
}

async function readAll(pipe: Readable): Promise<string> {
  let text = '';
  for await (const chunk of pipe.setEncoding('utf8')) text += chunk;
  return text;
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`${process.execPath} cannot be run: ${error.message}`));
    child.once('exit', (code, signal) =>
      resolve(signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`),
    );
  });
}

const KEPT = [
  'PATH',
  'HOME',
  'LANG',
  'LC_ALL',
  'TZ',
  'NO_COLOR',
  'DOCKER_HOST',
  'NODE_OPTIONS',
  'NODE_EXTRA_CA_CERTS',
  'NODE_COMPILE_CACHE',
  'SSL_CERT_FILE',
  'REQUESTS_CA_BUNDLE',
  'XDG_CONFIG_HOME',
];
/** Our own, and where packages come from. */
const KEPT_PREFIXES = ['OL_', 'PIP_'];
/** For `admin`: a worker has the keys in its config file, the registry is given them. */
const DROPPED_PREFIX = 'OL_REGISTRY_';
/** The way there. */
const PROXY = /^(https?|all|no)_proxy$/i;

/** What a worker needs of the environment and no more: it lives on after the shell whose secrets these may be. */
export function smallEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) =>
      !name.startsWith(DROPPED_PREFIX) &&
      (KEPT.includes(name) || PROXY.test(name) || KEPT_PREFIXES.some((prefix) => name.startsWith(prefix))),
  );
  return Object.fromEntries(kept);
}
