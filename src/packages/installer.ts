import { join } from 'node:path';
import { z } from 'zod';
import { isOlError, OlError } from '../errors.ts';
import { removeTree } from '../linux/remove-tree.ts';
import { syncFileSystemOf } from '../linux/sync.ts';
import type { Workshop, WorkshopBounds, WorkshopEngine } from '../sandbox/workshop.ts';
import type { Log } from '../telemetry/log.ts';
import { parseResolution, type ResolvedPackage } from './lock.ts';
import { phases } from './phase.ts';
import { describeSaid } from './said.ts';
import type { PackageStore } from './store.ts';
import { moveOut, Refusal, takeOver } from './take-over.ts';
import { Workroom, type WorkroomOptions } from './workroom.ts';

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export interface InstallerOptions {
  readonly engine: WorkshopEngine;
  readonly store: PackageStore;
  readonly workroom: WorkroomOptions;
  readonly bounds: WorkshopBounds;
  readonly timeoutMs: number;
  readonly log: Log;
}

/** Whom a request is for, for messages. */
export interface Asked {
  readonly name: string;
  readonly requirements: readonly string[];
  /** Told what is done at the moment (`phases`). */
  readonly tell: (phase: string) => void;
}

const resolveAnswer = z.union([z.strictObject({ lines: z.string() }), z.strictObject({ error: z.string() })]);
const installAnswer = z.strictObject({ failed: z.record(z.string(), z.string()) });
type Failed = Readonly<Record<string, string>>;

/** What a sandbox is asked to do, and what that is called. */
interface Job {
  readonly event: object;
  readonly phase: string;
}

/** A sandbox in which no foreign code has run, for the steps of one installation; null until one is needed. */
export interface CleanRoom extends Disposable {
  workshop: Workshop | null;
}

/**
 * Resolves and installs packages in sandboxes. Resolving among wheels and installing them run no foreign code, and so share
 * one sandbox, with what the installer has fetched. What may run some (resolving with builds, and building) has one of its own
 * each time: it must not get at what another package is made of.
 */
export class Installer {
  readonly #options: InstallerOptions;
  readonly #workshops = new Set<Workshop>();
  readonly #closing = new Set<Promise<void>>();
  #workroom: Promise<Workroom> | null = null;

  constructor(options: InstallerOptions) {
    this.#options = options;
  }

  /** Dispose of it when all is done, or nothing more will be. */
  begin(): CleanRoom {
    const room: CleanRoom = {
      workshop: null,
      [Symbol.dispose]: () => {
        const { workshop } = room;
        room.workshop = null;
        if (workshop !== null) this.#close(workshop);
      },
    };
    return room;
  }

  /** Which versions fit the requirements, transitive ones included. Rejects with errors of the table. */
  async resolve(asked: Asked, room: CleanRoom): Promise<ResolvedPackage[]> {
    const since = performance.now();
    const job = (build: boolean) => ({
      event: { step: 'resolve', requirements: asked.requirements, build },
      phase: phases.resolving(build),
    });
    room.workshop ??= await this.#open();
    const among = await this.#resolution(asked, this.#exchange(asked, room.workshop, job(false)));
    if ('packages' in among) return among.packages;
    const trouble = await this.#indexTrouble(asked, since);
    if (trouble !== null) throw trouble;
    // Some may have no wheels, and have to be built to be asked what they need.
    const all = await this.#resolution(asked, this.#ask(asked, job(true)));
    if ('packages' in all) return all.packages;
    throw await this.#unresolved(asked, all.error, since);
  }

  /** Puts packages that are missing into the store. Rejects with errors of the table; those that went well stay. */
  async install(asked: Asked, packages: readonly ResolvedPackage[], room: CleanRoom): Promise<void> {
    const failed = await this.#installIn(asked, packages, false, room.workshop);
    room.workshop = null;
    // Those without a wheel for us are built, each on its own. Any other failure is told by that as well.
    for (const one of packages) {
      if (failed[one.dir] === undefined) continue;
      const since = performance.now();
      const { [one.dir]: said } = await this.#installIn(asked, [one], true);
      if (said !== undefined) throw await this.#notInstalled(asked, one, said, since);
    }
  }

  /** Ends what is under way: it is rejected. */
  abort(): void {
    for (const workshop of this.#workshops) workshop.abort();
  }

  /** When nothing is under way any more. */
  async close(): Promise<void> {
    await Promise.all(this.#closing);
    await (await this.#workroom)?.close();
  }

  async #resolution(
    asked: Asked,
    asking: Promise<unknown>,
  ): Promise<{ packages: ResolvedPackage[] } | { error: string }> {
    const answer = resolveAnswer.safeParse(await asking);
    if (!answer.success) throw installerError(asked, 'its answer cannot be read');
    if ('error' in answer.data) return answer.data;
    const packages = parseResolution(answer.data.lines, this.#options.engine.interpreter);
    if (packages === null) throw installerError(asked, 'what it resolved cannot be read');
    return { packages };
  }

  async #installIn(
    asked: Asked,
    packages: readonly ResolvedPackage[],
    build: boolean,
    open: Workshop | null = null,
  ): Promise<Failed> {
    const listed = packages.map(({ name, version, dir, hashes }) => ({
      dir,
      lines: [`${name}==${version} ${hashes.map((hash) => `--hash=${hash}`).join(' ')}`],
    }));
    const event = { step: 'install', packages: listed, build };
    const job = { event, phase: phases.installing(packages, build) };
    let failed: Failed = {};
    const take = async (answer: unknown, scratchDir: string) => {
      const parsed = installAnswer.safeParse(answer);
      if (!parsed.success) throw installerError(asked, 'its answer cannot be read');
      failed = parsed.data.failed;
      await this.#takeAll(
        asked,
        packages.filter(({ dir }) => failed[dir] === undefined),
        scratchDir,
      );
    };
    await this.#ask(asked, job, take, open);
    return failed;
  }

  /** From the scratch directory of a sandbox that is gone into the store: checked, synced, renamed. */
  async #takeAll(asked: Asked, packages: readonly ResolvedPackage[], scratchDir: string): Promise<void> {
    if (packages.length === 0) return;
    const { store } = this.#options;
    const stage = await store.stage();
    try {
      for (const one of packages) await takeOne(asked, one, scratchDir, stage);
      await syncFileSystemOf(stage);
      await store.adopt(stage, packages);
      const installed = packages.map(({ name, version }) => `${name} ${version}`);
      this.#options.log.info({ function: asked.name, installed }, 'packages installed');
    } finally {
      await removeTree(stage);
    }
  }

  /** Asks a sandbox, a new one where none is `open`, and has it closed. `use` is called when all its processes are gone. */
  async #ask(
    asked: Asked,
    job: Job,
    use: (answer: unknown, scratchDir: string) => Promise<void> = async () => {},
    open: Workshop | null = null,
  ): Promise<unknown> {
    const workshop = open ?? (await this.#open());
    try {
      const answer = await this.#exchange(asked, workshop, job);
      await workshop.finish((scratchDir) => use(answer, scratchDir));
      return answer;
    } finally {
      this.#close(workshop);
    }
  }

  async #open(): Promise<Workshop> {
    const { engine, bounds } = this.#options;
    const { code } = await this.#openWorkroom();
    const workshop = await engine.openWorkshop(code, bounds);
    this.#workshops.add(workshop);
    return workshop;
  }

  /** Nobody waits for it: what is to be removed may be large. */
  #close(workshop: Workshop): void {
    this.#workshops.delete(workshop);
    const closing: Promise<void> = workshop.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  async #exchange(asked: Asked, workshop: Workshop, { event, phase }: Job): Promise<unknown> {
    const { timeoutMs, log } = this.#options;
    asked.tell(phase);
    const { tool, options } = await this.#openWorkroom();
    try {
      const body = Buffer.from(JSON.stringify({ ...event, tool, options }));
      const response = await workshop.request({ body, timeoutMs, responseMaxBytes: MAX_ANSWER_BYTES });
      const text = response.body.toString();
      if (response.status === 200) return parseAnswer(asked, text);
      log.error({ said: text }, 'the installer failed');
      throw installerError(asked, describeSaid(text));
    } catch (cause) {
      if (!isOlError(cause) || cause.code === 'ERR_PACKAGES_INSTALLER') throw cause;
      const reason = isOlError(cause, 'ERR_TIMEOUT')
        ? `${phase} took longer than ${timeoutMs} ms: raise install_timeout_ms`
        : cause.message.replace(
            /mem_limit_mb|scratch_max_mb|, or raise procs_max/g,
            (key) => RAISE[key] ?? key,
          );
      throw installerError(asked, reason, cause);
    }
  }

  async #unresolved(asked: Asked, said: string, since: number): Promise<OlError> {
    const reason = describeSaid(said);
    const requirements = asked.requirements.join(', ');
    return (
      (await this.#indexTrouble(asked, since)) ??
      new OlError('ERR_PACKAGES_UNRESOLVED', { name: asked.name, requirements, reason })
    );
  }

  async #notInstalled(asked: Asked, one: ResolvedPackage, said: string, since: number): Promise<OlError> {
    const { name: package_, version } = one;
    return (
      (await this.#indexTrouble(asked, since)) ??
      new OlError('ERR_PACKAGE_FAILED', {
        package: package_,
        version,
        name: asked.name,
        reason: describeSaid(said),
      })
    );
  }

  async #indexTrouble({ name, requirements }: Asked, since: number): Promise<OlError | null> {
    const reason = (await this.#workroom)?.proxy.troubleSince(since) ?? null;
    if (reason === null) return null;
    return new OlError('ERR_PACKAGES_INDEX', { name, requirements: requirements.join(', '), reason });
  }

  /** Made when it is first needed: most workers never install anything. */
  async #openWorkroom(): Promise<Workroom> {
    this.#workroom ??= Workroom.open(this.#options.workroom);
    try {
      return await this.#workroom;
    } catch (error) {
      this.#workroom = null;
      throw error;
    }
  }
}

/** What bounds an installer is not what bounds a function. */
const RAISE: Readonly<Record<string, string>> = {
  mem_limit_mb: 'install_mem_limit_mb',
  scratch_max_mb: 'install_max_mb',
  ', or raise procs_max': '', // for an installer there is no key: it has enough for any build
};

async function takeOne(asked: Asked, one: ResolvedPackage, scratchDir: string, stage: string): Promise<void> {
  const target = join(stage, one.dir);
  try {
    await moveOut(scratchDir, one.dir, target);
    await takeOver(target);
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause;
    const { name: package_, version } = one;
    const fields = { package: package_, version, name: asked.name, reason: cause.message };
    throw new OlError('ERR_PACKAGE_REFUSED', fields, { cause });
  }
}

/** Where foreign code has run, it may have answered in the installer's place. */
function parseAnswer(asked: Asked, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw installerError(asked, 'what it answered is no JSON', cause);
  }
}

function installerError({ name, requirements }: Asked, reason: string, cause?: unknown): OlError {
  const fields = { name, requirements: requirements.join(', '), reason };
  return new OlError('ERR_PACKAGES_INSTALLER', fields, { cause });
}
