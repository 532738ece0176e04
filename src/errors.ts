/**
 * The one table of errors. Every error that a user or an operator can meet has a code here, with the HTTP
 * status that the worker answers it with and a message that says what happened, on what, and what to do.
 * `{name}` in a message is filled from the fields given to `OlError`; the compiler checks that they are all there.
 */
export const ERRORS = {
  // A request that the worker refuses.
  ERR_BAD_JSON: { status: 400, message: 'the request body is not JSON: {reason}' },
  ERR_BAD_REQUEST: { status: 400, message: 'this is not an HTTP request: {reason}' },
  ERR_HEADER_TOO_LARGE: {
    status: 431,
    message: 'the header of the request is too large: send less than 16 kB',
  },
  ERR_REQUEST_TIMEOUT: { status: 408, message: 'the request took too long to arrive: send it faster' },
  ERR_BAD_NAME: {
    status: 400,
    message:
      "'{name}' is not a function name: use 1 to 64 letters, digits, '.', '_' or '-', with no '.' at the start",
  },
  ERR_NO_FUNCTION: {
    status: 404,
    message: "there is no function '{name}': {hint}",
  },
  ERR_NO_ROUTE: { status: 404, message: 'there is nothing at {path}: call a function at /runLambda/<name>' },
  ERR_BAD_METHOD: { status: 405, message: '{method} is not allowed at {path}: use {allow}' },
  ERR_REQUEST_TOO_LARGE: {
    status: 413,
    message: 'the request body is larger than {limitKb} kB: send less, or raise request_max_kb',
  },
  ERR_QUEUE_FULL: {
    status: 429,
    message: "function '{name}' has {length} requests waiting: try again later, or raise queue_max",
  },
  ERR_CLIENT_GONE: {
    status: 499,
    message: "the client went away before it was the turn of its call of '{name}'",
  },

  // An invocation that fails.
  ERR_BAD_RESPONSE: { status: 502, message: "the sandbox of '{name}' broke the protocol: {reason}" },
  ERR_OUT_OF_MEMORY: {
    status: 502,
    message: "'{name}' was ended because memory was used up: {reason}",
  },
  ERR_RESPONSE_TOO_LARGE: {
    status: 502,
    message: "the response of '{name}' is larger than {limitKb} kB: return less, or raise response_max_kb",
  },
  ERR_SCRATCH_FULL: {
    status: 502,
    message: "'{name}' was ended because its scratch space (/host) was used up: {reason}",
  },
  ERR_TOO_MANY_PROCESSES: {
    status: 502,
    message: "'{name}' was ended because it wanted more and more processes: {reason}",
  },
  ERR_SANDBOX_DIED: { status: 502, message: "the sandbox of '{name}' died during the request: {how}" },
  ERR_SANDBOX_GONE: {
    status: 502,
    message: "the sandbox of '{name}' died before it took the request: {how}",
  },
  ERR_SANDBOX_START: { status: 503, message: "no sandbox could be started for '{name}': {reason}" },
  ERR_IMPORT: { status: 500, message: '{modules} cannot be imported ahead of time: {reason}' },
  ERR_SHUTTING_DOWN: { status: 503, message: 'the worker is shutting down: try another one, or later' },
  ERR_CALL_FAILED: { status: 502, message: "'{name}' answered with status {status}: {body}" },
  ERR_TIMEOUT: {
    status: 504,
    message: "'{name}' took longer than {limitMs} ms: make it faster, or raise invocation_timeout_ms",
  },

  // Function code that can't be used.
  ERR_CODE_BUSY: {
    status: 503,
    message: "the code of '{name}' is still being written ({path}): call again when that is done",
  },
  ERR_CODE_CACHE_FULL: {
    status: 503,
    message:
      "there is no room for the code of '{name}' ({mb} MB): the code that is in use takes up code_cache_mb ({limitMb} MB), raise it",
  },
  ERR_REGISTRY: {
    status: 503,
    message: "the code of '{name}' is not here, and the registry at {server} does not give it: {reason}",
  },
  ERR_REGISTRY_STORE: { status: 502, message: 'the registry at {server} cannot be used: {reason}' },
  ERR_NOT_STORED: {
    status: 404,
    message: "the registry ({place}) has no function '{name}': `admin ls` lists those that it has",
  },
  ERR_CODE_REFUSED: { status: 500, message: "the code of '{name}' is refused: {path} {reason}" },
  ERR_BUNDLE_REFUSED: { status: 500, message: "the bundle of '{name}' is refused: {entry} {reason}" },

  // Packages.
  ERR_PACKAGES_FILE: { status: 500, message: "packages.txt of '{name}', line {line}: {reason}" },
  ERR_PACKAGES_UNRESOLVED: {
    status: 500,
    message: "no set of packages fits what '{name}' asks for ({requirements}): {reason}",
  },
  ERR_PACKAGE_FAILED: {
    status: 500,
    message: "package {package} {version}, which '{name}' needs, could not be installed: {reason}",
  },
  ERR_PACKAGE_REFUSED: {
    status: 500,
    message: "package {package} {version}, which '{name}' needs, is refused: {reason}",
  },
  ERR_PACKAGES_INDEX: {
    status: 503,
    message: "the package index cannot be reached for what '{name}' needs ({requirements}): {reason}",
  },
  ERR_PACKAGES_INSTALLER: {
    status: 503,
    message: "the packages that '{name}' needs ({requirements}) could not be installed: {reason}",
  },
  ERR_USERS_UNKNOWN: {
    status: 502,
    message: "no package is removed, as it is not known which ones '{name}'{more} uses: {reason}",
  },
  ERR_PACKAGES_WAIT: {
    status: 504,
    message:
      "'{name}' waited {limitMs} ms for its packages ({requirements}): {phase}. That goes on: call again later",
  },

  // Configuration and the cluster directory.
  ERR_CONFIG_INVALID: { status: 500, message: '{path}: {reason}' },
  ERR_FILE_INVALID: { status: 500, message: '{path}: {reason}' },
  ERR_CLUSTER_EXISTS: { status: 500, message: '{path} exists already: choose another name, or remove it' },
  ERR_NO_PARENT: {
    status: 500,
    message: '{parent} is not a directory: make it first, with `mkdir -p {parent}`',
  },
  ERR_CLUSTER_MISSING: {
    status: 500,
    message: '{path} is not a cluster directory: make it with `admin new --cluster={path}`',
  },
  ERR_BASE_IMAGE: { status: 500, message: 'the base image {source} cannot be used: {reason}' },

  // Starting and stopping workers.
  ERR_WORKER_RUNNING: {
    status: 500,
    message: 'worker {worker} of {cluster} already runs (pid {pid}): {hint}',
  },
  ERR_WORKER_FAILED: { status: 500, message: 'worker {worker} did not start: {reason}' },
  ERR_SPAWN: { status: 500, message: '{what} could not be started: {reason}' },
  ERR_REGISTRY_RUNNING: {
    status: 500,
    message: 'the registry of {cluster} already runs (pid {pid}): end it with `admin kill`',
  },
  ERR_REGISTRY_FAILED: { status: 500, message: 'the registry did not start: {reason}' },
  ERR_BAD_KEY: {
    status: 500,
    message: '{flag} cannot be a key: use 1 to 256 visible ASCII characters, without blanks',
  },
  ERR_PORT_TAKEN: {
    status: 500,
    message:
      'port {port} on {host} is taken by another program: choose another with --port, or end that program',
  },
  ERR_BAD_ADDRESS: {
    status: 500,
    message:
      'nobody can listen on {host}, port {port}, here ({reason}): name an address of this machine, with worker_host in the config or --host of `admin registry`',
  },
  ERR_WORKERS_FAILED: { status: 500, message: '{failed} of {count} workers did not start:{reasons}' },
  ERR_NO_WORKER: { status: 500, message: 'no worker runs {where}: start one with `{command}`' },
  ERR_NO_ANSWER: { status: 500, message: '{url} does not answer: {reason}' },
  ERR_PORT_HELD: {
    status: 500,
    message:
      'port {port} on {host} is taken by {program} (pid {pid}): choose another with --port, or end that program',
  },
  ERR_PORT_RANGE: {
    status: 500,
    message: '{count} workers from port {port} on would need ports above 65535: choose a lower --port',
  },
  ERR_NO_SLOT: {
    status: 500,
    message: 'all {slots} worker slots of this machine are taken: end a worker first',
  },
  ERR_CLAIM_BROKEN: { status: 500, message: '{path} does not describe a worker: remove it' },
  ERR_LOCKED: {
    status: 500,
    message:
      '{path} is still in use by another admin command after {waitedMs} ms: try again when that has ended',
  },
  ERR_KILL_FAILED: { status: 500, message: 'pid {pid} of {what} is still there after {waitedMs} ms: {hint}' },

  // The machine.
  ERR_NOT_ROOT: {
    status: 500,
    message: 'making sandboxes needs root: run this as root, with `sudo -s` for instance',
  },
  ERR_KERNEL: { status: 500, message: 'this kernel ({release}) cannot run sandboxes: {reason}' },
  ERR_NO_PYTHON: { status: 500, message: 'no usable Python at {path}: {reason}' },
  ERR_NO_CGROUPS: {
    status: 500,
    message: 'sandboxes cannot be bounded on this machine: {reason}',
  },
  ERR_CGROUP: { status: 500, message: '{action} failed with {errno} on the cgroup {path}' },
  ERR_CGROUP_PAUSE: {
    status: 500,
    message: 'the processes in the cgroup {path} did not stop within {waitedMs} ms: destroy the sandbox',
  },
  ERR_CGROUP_BUSY: {
    status: 500,
    message:
      'the cgroup {path} cannot be removed after {waitedMs} ms: end what is in it (pids: {pids}), then remove it with rmdir',
  },
  ERR_SYSCALL: { status: 500, message: '{call} failed with {errno} on {target}' },
  ERR_NETWORK: { status: 500, message: 'sandboxes cannot have a network on this machine: {reason}' },
  ERR_ZYGOTE: { status: 503, message: 'the root zygote is not there: {reason}' },

  // Docker.
  ERR_DOCKER_UNREACHABLE: {
    status: 503,
    message:
      'no Docker daemon answers at {socket} ({reason}): start it, or name its socket with docker_socket in the config or with DOCKER_HOST',
  },
  ERR_DOCKER_PERMISSION: {
    status: 500,
    message:
      'the Docker daemon at {socket} may not be used by this user: run this as root, or as a user who may write to that socket',
  },
  ERR_DOCKER_HOST: {
    status: 500,
    message:
      'the daemon that DOCKER_HOST names ({host}) may be on another machine: name a socket of this one, as unix:///var/run/docker.sock',
  },
  ERR_DOCKER_IMAGE: { status: 500, message: 'the Docker image {image} cannot be used: {reason}' },
  ERR_DOCKER_BUILD: { status: 500, message: 'the Docker image {image} could not be made: {reason}' },
  ERR_DOCKER: { status: 503, message: 'the Docker daemon failed at {action}: {reason}' },
  ERR_MACHINE_FULL: { status: 503, message: 'this machine has no {what} left: {reason}' },
  ERR_INTERNAL: { status: 500, message: 'an unexpected error in the worker: {reason}' },
} as const satisfies Record<string, { status: number; message: string }>;

export type ErrorCode = keyof typeof ERRORS;

type Fields<M extends string> = M extends `${string}{${infer F}}${infer Rest}` ? F | Fields<Rest> : never;

/** What some have beyond their message, for whoever handles them. */
interface MoreFields {
  /** The key that bounds what was used up: the sandbox's own, or that of all together. */
  readonly ERR_OUT_OF_MEMORY: { readonly bound: 'mem_limit_mb' | 'mem_pool_mb' };
}

/** What each code's message needs, and what else belongs to it. */
export type ErrorFields<C extends ErrorCode> = Record<
  Fields<(typeof ERRORS)[C]['message']>,
  string | number
> &
  (C extends keyof MoreFields ? MoreFields[C] : unknown);

/** An error from the table: `code`, `status` (HTTP), and the filled-in message. */
export class OlError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly status: number;
  readonly fields: Readonly<Record<string, string | number>>;

  constructor(code: C, fields: ErrorFields<C>, options?: { cause?: unknown }) {
    const values: Record<string, string | number> = fields;
    super(
      ERRORS[code].message.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name])),
      options,
    );
    this.name = 'OlError';
    this.code = code;
    this.status = ERRORS[code].status;
    this.fields = values;
  }

  /** The body of an HTTP answer: `{"error": {"code", "message"}}`. */
  toBody(): { error: { code: C; message: string } } {
    return { error: { code: this.code, message: this.message } };
  }
}

/** True for an error from the table, of any code or of the one given. */
export function isOlError<C extends ErrorCode = ErrorCode>(error: unknown, code?: C): error is OlError<C> {
  return error instanceof OlError && (code === undefined || error.code === code);
}

/** What a failed system call was short of. */
const SHORT_OF: Readonly<Record<string, string>> = {
  ENOSPC: 'space on a disk',
  EDQUOT: 'space on a disk',
  EMFILE: 'descriptors',
  ENFILE: 'descriptors',
  ENOMEM: 'memory',
};

/** Any thrown value as an `OlError`, with the cause kept; what is not from the table becomes `ERR_MACHINE_FULL` or `ERR_INTERNAL`. */
export function toOlError(error: unknown): OlError {
  if (error instanceof OlError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const what = SHORT_OF[(error as NodeJS.ErrnoException | null)?.code ?? ''];
  if (what !== undefined) return new OlError('ERR_MACHINE_FULL', { what, reason }, { cause: error });
  return new OlError('ERR_INTERNAL', { reason }, { cause: error });
}
