import type Docker from 'dockerode';
import { OlError } from '../errors.ts';

/** Where a daemon listens that was installed the usual way. */
const USUAL_SOCKET = '/var/run/docker.sock';
/** A daemon that takes longer to answer a ping is as good as none. */
const PING_MS = 10_000;

/** A daemon that answers, and the socket that it listens on. */
export interface Daemon {
  readonly socket: string;
  readonly docker: Docker;
}

/**
 * The socket of the Docker daemon: the one of the config, else that of DOCKER_HOST, else the usual one. Throws ERR_DOCKER_HOST
 * for a daemon of another machine: sandboxes see directories of this one.
 */
export function dockerSocket(configured: string | null, env: NodeJS.ProcessEnv): string {
  if (configured !== null) return configured;
  const host = env.DOCKER_HOST;
  if (host === undefined || host === '') return USUAL_SOCKET;
  if (host.startsWith('unix:///')) return host.slice('unix://'.length);
  throw new OlError('ERR_DOCKER_HOST', { host });
}

/** Throws ERR_DOCKER_UNREACHABLE, ERR_DOCKER_PERMISSION, ERR_DOCKER. */
export async function openDocker(socket: string): Promise<Daemon> {
  // Loaded late: it takes longer to load than most commands take.
  const { default: Dockerode } = await import('dockerode');
  const docker = new Dockerode({ socketPath: socket });
  const daemon = { socket, docker };
  // A list of nothing: unlike a ping it may not only be given up, it also says whether we may ask for anything.
  await asked(daemon, 'a first question', () =>
    docker.listImages({
      filters: { label: ['org.openlambda.none'] },
      abortSignal: AbortSignal.timeout(PING_MS),
    }),
  );
  return daemon;
}

/** Asks the daemon for something; what fails has a name then: ERR_DOCKER_UNREACHABLE, ERR_DOCKER_PERMISSION, ERR_DOCKER. */
export async function asked<T>({ socket }: Daemon, action: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw dockerError(error, action, socket);
  }
}

/** The HTTP status that the daemon answered with; null where it did not answer. */
export function statusOf(error: unknown): number | null {
  const cause = error instanceof OlError ? error.cause : error;
  const { statusCode } = Object(cause) as { statusCode?: unknown };
  return typeof statusCode === 'number' ? statusCode : null;
}

/** True where the daemon has said that there is no such thing. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404;
}

function dockerError(error: unknown, action: string, socket: string): OlError {
  if (error instanceof OlError) return error;
  const { code, name } = Object(error) as NodeJS.ErrnoException;
  const options = { cause: error };
  if (code === 'EACCES' || code === 'EPERM') return new OlError('ERR_DOCKER_PERMISSION', { socket }, options);
  if (statusOf(error) === null) {
    const reason =
      name === 'AbortError' || name === 'TimeoutError' ? 'it does not answer' : (code ?? said(error));
    return new OlError('ERR_DOCKER_UNREACHABLE', { socket, reason }, options);
  }
  return new OlError('ERR_DOCKER', { action, reason: said(error) }, options);
}

/** What the daemon itself says, on one line. */
function said(error: unknown): string {
  const { json, message } = Object(error) as { json?: { message?: unknown }; message?: unknown };
  const text = typeof json?.message === 'string' ? json.message : String(message ?? error);
  return text.trim().replace(/\s+/g, ' ');
}
