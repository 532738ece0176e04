import type { TestWorker } from './worker.ts';

/** What the fixture `look` tells of its sandbox. */
export interface Looks {
  readonly status: Readonly<Record<string, string>>;
  /** Real, effective and saved uid, then gid. */
  readonly ids: readonly number[];
  readonly groups: readonly number[];
  readonly namespaces: Readonly<Record<string, string>>;
  readonly mounts: Readonly<Record<string, { readonly options: readonly string[]; readonly type: string }>>;
  /** Target of a link, `major:minor` of a device. */
  readonly dev: Readonly<Record<string, string>>;
  readonly descriptors: Readonly<Record<string, string>>;
  readonly interfaces: readonly string[];
  readonly root: readonly string[];
  readonly handler: readonly string[];
  readonly host: readonly string[];
  readonly processes: readonly number[];
  readonly hostname: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly initial_environment: readonly string[];
  readonly command: readonly string[];
  readonly path: readonly string[];
  readonly directory: string;
  readonly core_limit: readonly number[];
  readonly main: readonly string[];
}

/** Has a function look at things in its sandbox; `name` is a copy of the fixture. */
export async function look<K extends keyof Looks>(
  worker: TestWorker,
  at: readonly K[],
  name = 'look',
): Promise<Pick<Looks, K>> {
  return await worker.result(name, { at });
}

/** Has the fixture `attempt` try something; the errno's name, or what came of it. */
export async function attempt(
  worker: TestWorker,
  what: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<unknown> {
  return await worker.result('attempt', { try: what, ...options });
}
