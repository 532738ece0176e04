import type { CgroupEntry } from '../../cgroup/cgroup.ts';

/**
 * The control protocol between the worker and its zygotes: this is the worker's side, `runtime/python/control.py` the
 * other. Requests are messages of words with descriptors beside them (a zygote that parsed JSON would write to pages
 * that its children share); events come back as lines of JSON. `null` stands for what is not there.
 * Examples that both sides are tested against: `test/fixtures/control/`.
 */

/** The root zygote's own id, in what PID 1 tells of it. */
export const ROOT_ID = 0;

/**
 * Asks PID 1 for a root zygote: the first one is of generation 0. With it goes its end of its control socket. Its pidfd comes back,
 * and `forked` is told, or `failed`, and `exit` when it has ended, each with the id 0.
 */
export function rootRequest(generation: number): Buffer {
  return Buffer.from(`root ${generation}`);
}

/** A sandbox that is asked for: `uid` is the host uid and gid of its only user. */
export interface ForkRequest {
  readonly id: number;
  readonly uid: number;
}

/** How children enter their cgroups, and with how many descriptors each. */
export interface EntryKind {
  readonly kind: CgroupEntry['kind'] | 'none';
  readonly count: number;
}

/** The most sandboxes in one request: the other side makes room for so many descriptors. */
export const MAX_FORKS = 8;

/**
 * Asks a zygote for sandboxes. With it go, for each in turn: its end of its control socket, its scratch directory (a
 * detached mount), the listening `server_pipe`, and its cgroup's entry.
 */
export function forkRequest({ kind, count }: EntryKind, forks: readonly ForkRequest[]): Buffer {
  return Buffer.from(`fork ${kind} ${count} ${forks.map(({ id, uid }) => `${id} ${uid}`).join(' ')}`);
}

/** A package zygote that is asked for. Its user namespace maps `uidCount` host uids from `uidBase` on, the first to root. */
export interface ZygoteRequest {
  readonly id: number;
  readonly uidBase: number;
  readonly uidCount: number;
}

/**
 * Asks a zygote for a package zygote. With it go: its end of its control socket, its end of a stream for its events, its
 * home (a detached mount with `imports.json` in it), and its cgroup's entry.
 */
export function zygoteRequest({ kind, count }: EntryKind, request: ZygoteRequest): Buffer {
  const { id, uidBase, uidCount } = request;
  return Buffer.from(`zygote ${kind} ${count} ${id} ${uidBase} ${uidCount}`);
}

/** Asks the root zygote to show that it is alive; it answers with `pong`. */
export const PING = Buffer.from('ping');

/** Tells a zygote which pages its sandboxes write to; with it goes a file of address and length pairs (`hot-pages.ts`). */
export const HOT_PAGES = Buffer.from('hot');

/** Gives the root zygote the memory of an idle sandbox, an open `/proc/<pid>/mem`; it answers with `imaged`. */
export const IMAGE = Buffer.from('image');

/** What a package zygote has forked, to be linked to the router; `pid` as the zygotes see it. */
export interface LinkRequest {
  readonly id: number;
  readonly pid: number;
}

/** Asks the root zygote for a link. With it goes the process's pidfd. */
export function linkRequest({ id, pid }: LinkRequest): Buffer {
  return Buffer.from(`link none 0 ${id} ${pid}`);
}

/** `imports.json` in a package zygote's home: where it finds modules besides the library's, and which to import. */
export interface Wanted {
  readonly directories: readonly string[];
  /** Any may fail, but not all. */
  readonly modules: readonly string[];
}

/**
 * What a forked sandbox can be told to do with code: serve it; compile it (`compiler.py`); or serve it, which is our own,
 * with limits for an installer.
 */
export type SandboxTask = 'start' | 'compile' | 'install';

/** What a request to start has at least; the others are shorter, and so a sandbox tells them apart. */
const START_BYTES = 128;

/**
 * Tells a forked sandbox what it is for; with it goes the code, a detached mount. `lock` is the id of the lock of the
 * code's packages, null for none.
 */
export function startRequest(task: SandboxTask, lock: string | null): Buffer {
  const words = `${task} ${lock ?? '-'}`;
  return Buffer.from(task === 'start' ? words.padEnd(START_BYTES) : words);
}

/** What a zygote and the sandboxes that are on their way tell. */
export type ZygoteEvent =
  | { readonly event: 'fatal'; readonly step: string; readonly error: string }
  /** The launcher has forked PID 1; its pid as the worker sees it. */
  | { readonly event: 'launched'; readonly pid: number }
  | { readonly event: 'ready'; readonly python: string; readonly cache_tag: string }
  | { readonly event: 'pong' }
  /** How many pages it has in common with that sandbox; 0 where nothing came of it. */
  | { readonly event: 'imaged'; readonly pages: number }
  | { readonly event: 'forked'; readonly id: number }
  /** The sandbox has done all that can be done ahead of time. */
  | { readonly event: 'waiting'; readonly id: number }
  /** Told only when timing is on: when it woke, had all attached, and had dropped everything (CLOCK_MONOTONIC, ns). */
  | { readonly event: 'started'; readonly id: number; readonly times: readonly [number, number, number] }
  | {
      readonly event: 'failed';
      readonly id: number;
      readonly step: string;
      readonly error: string;
      /** Of a package zygote: the number of the module that could not be imported. */
      readonly module?: number | undefined;
    }
  /** The sandbox has a link to the router. */
  | { readonly event: 'linked'; readonly id: number }
  /** A package zygote can fork: how long its imports took, and how many threads there are since. */
  | {
      readonly event: 'imported';
      readonly id: number;
      readonly us: number;
      readonly tasks: number;
      /** The numbers of the directories that modules were loaded from: before, then anew for each of the modules. */
      readonly loaded: readonly (readonly number[])[];
    }
  | ({ readonly event: 'exit'; readonly id: number } & Exit)
  /** What a package zygote has forked has ended, or what a root zygote had that is dead; its pid as the zygotes see it. */
  | ({ readonly event: 'reaped'; readonly pid: number } & Exit);

/** How a process ended: one of both is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: number | null;
}

/** Where sandboxes live; with `nat` the launcher makes a router (`router.py`). */
export type LaunchNetwork = {
  /** The content of `/etc/resolv.conf`; null for the image's. */
  readonly resolv_conf: string | null;
  /** The host uid of the process that looks names up. */
  readonly resolver_uid: number | null;
} & (
  | { readonly kind: 'none' | 'host' }
  | {
      readonly kind: 'nat';
      /** What the machine's end of the uplink is called, and the addresses of both ends. */
      readonly link: string;
      readonly machine_address: string;
      readonly router_address: string;
      /** The path of nft, and what it is to load in the router. */
      readonly nft: string;
      readonly rules: string;
    }
);

/** What the launcher reads from its stdin. */
export interface LaunchSettings {
  readonly worker_pid: number;
  /** Host directories: the base image, the packages, the runtime's own code. */
  readonly base: string;
  readonly packages: string;
  readonly runtime: string;
  /** Host directories, without the leading slash, that show through in the base at the same path. */
  readonly binds: readonly string[];
  /** The Python to run, as a path in the base. */
  readonly python: string;
  /** The whole environment of every sandbox. */
  readonly environment: Readonly<Record<string, string>>;
  readonly network: LaunchNetwork;
  readonly zygote: {
    readonly network: LaunchNetwork['kind'];
    /** The BPF programs of the seccomp filters, in base64: of sandboxes, and of package zygotes. */
    readonly seccomp: string;
    readonly zygote_seccomp: string;
    readonly tmp_max_mb: number;
    readonly file_max_mb: number;
    readonly install_file_max_mb: number;
    readonly open_files_max: number;
    readonly timing: boolean;
  };
}

export function decodeEvent(line: string): ZygoteEvent {
  return JSON.parse(line) as ZygoteEvent;
}
