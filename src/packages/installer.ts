import { join } from 'node:path';
import { z } from 'zod';
import { isOlError, OlError } from '../errors.ts';
import { removeTree } from '../linux/remove-tree.ts';
import { syncFileSystemOf } from '../linux/sync.ts';
import type { Workshop, WorkshopBounds, WorkshopEngine } from '../sandbox/workshop.ts';
import type { Log } from '../telemetry/log.ts';
import { parseResolution, type ResolvedPackage } from './lock.ts';
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
}

const resolveAnswer = z.union([z.strictObject({ lines: z.string() }), z.strictObject({ error: z.string() })]);
const installAnswer = z.strictObject({ failed: z.record(z.string(), z.string()) });
type Failed = Readonly<Record<string, string>>;

/**
 * Resolves and installs packages in sandboxes. Each step has one of its own: what runs foreign code (resolving may, and
 * building does) must not get at what another package is made of. A sandbox that installs wheels runs none.
 */
export class Installer {
  readonly #options: InstallerOptions;
  readonly #workshops = new Set<Workshop>();
  #workroom: Promise<Workroom> | null = null;

  constructor(options: InstallerOptions) {
    this.#options = options;
  }

  /** Which versions fit the requirements, transitive ones included. Rejects with errors of the table. */
  async resolve(asked: Asked): Promise<ResolvedPackage[]> {
    const { engine } = this.#options;
    const since = performance.now();
    const event = { step: 'resolve', requirements: asked.requirements };
    const answer = resolveAnswer.safeParse(await this.#ask(asked, event));
    if (!answer.success) throw installerError(asked, 'its answer cannot be read');
    if ('error' in answer.data) throw await this.#unresolved(asked, answer.data.error, since);
    const packages = parseResolution(answer.data.lines, engine.interpreter);
    if (packages === null) throw installerError(asked, 'what it resolved cannot be read');
    return packages;
  }

  /** Puts packages that are missing into the store. Rejects with errors of the table; those that went well stay. */
  async install(asked: Asked, packages: readonly ResolvedPackage[]): Promise<void> {
    const failed = await this.#installIn(asked, packages, false);
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
    await (await this.#workroom)?.close();
  }

  async #installIn(asked: Asked, packages: readonly ResolvedPackage[], build: boolean): Promise<Failed> {
    const listed = packages.map(({ name, version, dir, hashes }) => ({
      dir,
      lines: [`${name}==${version} ${hashes.map((hash) => `--hash=${hash}`).join(' ')}`],
    }));
    const event = { step: 'install', packages: listed, build };
    let failed: Failed = {};
    await this.#ask(asked, event, async (answer, scratchDir) => {
      const parsed = installAnswer.safeParse(answer);
      if (!parsed.success) throw installerError(asked, 'its answer cannot be read');
      failed = parsed.data.failed;
      await this.#takeAll(
        asked,
        packages.filter(({ dir }) => failed[dir] === undefined),
        scratchDir,
      );
    });
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

  /** Asks a sandbox of its own; `use` is called when all its processes are gone. */
  async #ask(
    asked: Asked,
    event: object,
    use: (answer: unknown, scratchDir: string) => Promise<void> = async () => {},
  ): Promise<unknown> {
    const workroom = await this.#openWorkroom();
    const { tool, options, code } = workroom;
    const { engine, bounds } = this.#options;
    const workshop = await engine.openWorkshop(code, bounds);
    this.#workshops.add(workshop);
    try {
      const answer = await this.#exchange(asked, workshop, { ...event, tool, options });
      await workshop.close((scratchDir) => use(answer, scratchDir));
      return answer;
    } catch (error) {
      await workshop.close();
      throw error;
    } finally {
      this.#workshops.delete(workshop);
    }
  }

  async #exchange(asked: Asked, workshop: Workshop, event: object): Promise<unknown> {
    const { timeoutMs, log } = this.#options;
    try {
      const body = Buffer.from(JSON.stringify(event));
      const response = await workshop.request({ body, timeoutMs, responseMaxBytes: MAX_ANSWER_BYTES });
      const text = response.body.toString();
      if (response.status === 200) return JSON.parse(text);
      log.error({ said: text }, 'the installer failed');
      throw installerError(asked, describeSaid(text));
    } catch (cause) {
      if (!isOlError(cause) || cause.code === 'ERR_PACKAGES_INSTALLER') throw cause;
      const reason = isOlError(cause, 'ERR_TIMEOUT')
        ? `it took longer than ${timeoutMs} ms: raise install_timeout_ms`
        : cause.message.replace(/mem_limit_mb|scratch_max_mb/g, (key) => RAISE[key] ?? key);
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

function installerError({ name, requirements }: Asked, reason: string, cause?: unknown): OlError {
  const fields = { name, requirements: requirements.join(', '), reason };
  return new OlError('ERR_PACKAGES_INSTALLER', fields, { cause });
}
