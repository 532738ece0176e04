import { OlError } from '../../errors.ts';
import { inTime } from '../../in-time.ts';
import type { Log } from '../../telemetry/log.ts';
import type { LaunchSettings } from './control.ts';
import { HotPages } from './hot-pages.ts';
import { Init } from './init.ts';
import { rehearse } from './rehearsal.ts';
import { RootZygote } from './root-zygote.ts';
import { Spare, type SpareMaterials } from './spare.ts';
import { Spares, sparesAtATime } from './spares.ts';
import type { UidRange } from './uid-range.ts';
import type { Root } from './zygote.ts';

const FIRST_RESTART_MS = 50;
const LAST_RESTART_MS = 1000;
/** How long whoever needs a root zygote waits for the next one: a call is better told than kept. */
const NEXT_ZYGOTE_MS = 3000;

export interface NurseryOptions extends SpareMaterials {
  readonly launch: Omit<LaunchSettings, 'runtime' | 'worker_pid'>;
  readonly uids: UidRange;
  /** How many spares to keep. */
  readonly spares: number;
  /** The code of its rehearsals. */
  readonly rehearsedDir: string;
  readonly log: Log;
  /** Told the pid of each PID 1 of the sandboxes: the first one, and any that takes the place of a dead one. */
  readonly onInit: (pid: number) => Promise<void>;
  readonly onZygoteDeath: () => void;
  /** Told when another root zygote has taken the place of this one, which has died. */
  readonly onReplaced: (dead: Root) => void;
  readonly zygoteSilentMs: number;
}

/** A root zygote, and the spares that were forked from it. */
interface Generation {
  readonly zygote: RootZygote;
  readonly fork: () => Spare;
  readonly spares: Spares;
  /** Resolves when what is forked can give memory back. Never rejects. */
  readonly rehearsed: Promise<void>;
}

/** Where sandboxes come from: keeps a root zygote alive, and spares ready. */
export class Nursery {
  readonly #options: NurseryOptions;
  #init: Init | null = null;
  #generation: Promise<Generation>;
  #cacheTag = '';
  /** Why the last start failed; null where it did not. */
  #failure: Error | null = null;
  #nextId = 1;
  #isClosed = false;

  constructor(options: NurseryOptions) {
    this.#options = options;
    this.#generation = this.#start();
  }

  /** A spare, perhaps one that is still on its way. Rejects with what `RootZygote.start` throws, where that fails for a while. */
  async take(): Promise<Spare> {
    const { spares } = await this.#next();
    return spares.take();
  }

  /** The cache tag of its interpreter, once it has got as far as `tryOut`. */
  get cacheTag(): string {
    return this.#cacheTag;
  }

  /** The same, and the cache tag of its interpreter. */
  async takeForCompiling(): Promise<{ spare: Spare; cacheTag: string }> {
    const { spares, zygote } = await this.#next();
    return { spare: spares.take(), cacheTag: zygote.cacheTag };
  }

  /** The root zygote, for package zygotes to be forked from: when its rehearsals are over, for theirs can give memory back then, too. */
  async zygote(): Promise<RootZygote> {
    const { zygote, rehearsed } = await this.#next();
    await rehearsed;
    return zygote;
  }

  /** Of what is to be forked next, from whichever zygote. */
  nextId(): number {
    return this.#nextId++;
  }

  /**
   * Waits for a first spare, so that what this machine lacks is told at the start, and the first call finds one; and for the rehearsal,
   * which would be in its way.
   */
  async tryOut(): Promise<void> {
    const { fork, spares, rehearsed } = await this.#generation;
    const spare = fork();
    await spare.process.waiting;
    if (spare.process.isWaiting) {
      spares.add(spare);
      return await rehearsed;
    }
    const { failure } = await spare.gone;
    throw new OlError('ERR_ZYGOTE', { reason: failure ?? 'the first sandbox ended at once' });
  }

  /** Ends all sandboxes, and what they were forked from. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const generation = await this.#generation.catch(() => null); // one that never came up has nothing to close
    await generation?.spares.close();
    await this.#init?.close();
    await generation?.rehearsed;
  }

  async #next(): Promise<Generation> {
    return await inTime(this.#generation, NEXT_ZYGOTE_MS, () => {
      throw this.#failure ?? new OlError('ERR_ZYGOTE', { reason: 'it is being started' });
    });
  }

  #forkFrom(zygote: RootZygote): () => Spare {
    const hotPages = new HotPages({ zygote, log: this.#options.log });
    const materials = { ...this.#options, answered: (pid: number) => hotPages.answered(pid) };
    return () => new Spare(this.nextId(), zygote, materials);
  }

  async #start(): Promise<Generation> {
    const { log, launch, uids, spares: wanted, zygoteSilentMs: silentMs } = this.#options;
    const init = await this.#livingInit();
    const hasRouter = launch.network.kind === 'nat';
    const zygote = await RootZygote.start(init, { hasRouter, uids, silentMs });
    this.#cacheTag = zygote.cacheTag;
    const fork = this.#forkFrom(zygote);
    const spares = new Spares({ wanted: sparesAtATime(wanted), fork, log });
    const generation = { zygote, fork, spares, rehearsed: this.#rehearse(zygote, fork, spares) };
    void zygote.gone.then((how) => this.#replace(generation, how));
    spares.refill();
    return generation;
  }

  /** Until then there are few spares, which are not kept: they can give nothing back. */
  async #rehearse(zygote: RootZygote, fork: () => Spare, spares: Spares): Promise<void> {
    const { spares: wanted, rehearsedDir: codeDir, log } = this.#options;
    await rehearse({ zygote, fork, codeDir, log });
    spares.want(wanted);
    await spares.renew();
  }

  /** The one that there is; another one where that has died. */
  async #livingInit(): Promise<Init> {
    if (this.#init?.isGone === false) return this.#init;
    const { log, onInit, launch: settings, zygoteSilentMs: silentMs } = this.#options;
    const init = await Init.start({ settings, silentMs, log });
    this.#init = init;
    try {
      await onInit(init.pid);
    } catch (error) {
      await init.close();
      throw error;
    }
    return init;
  }

  /** A root zygote never ends by itself while we need it. Its sandboxes may go on, but the next ones need a new one. */
  #replace({ zygote, spares }: Generation, how: string): void {
    if (this.#isClosed) return;
    const { log, onZygoteDeath } = this.#options;
    onZygoteDeath();
    const areLeft = this.#init?.isGone === false;
    const sandboxes = areLeft ? 'its sandboxes finish what they have begun' : 'its sandboxes died with it';
    log.error({ how }, `the root zygote died, ${sandboxes}: starting another`);
    void spares.close();
    this.#generation = this.#restart();
    const replaced = () => this.#options.onReplaced(zygote);
    // Whoever needs it is told; there may be nobody.
    this.#generation.then(replaced, () => {});
  }

  async #restart(): Promise<Generation> {
    for (let delayMs = FIRST_RESTART_MS; ; delayMs = Math.min(delayMs * 2, LAST_RESTART_MS)) {
      try {
        const generation = await this.#start();
        this.#failure = null;
        return generation;
      } catch (error) {
        if (this.#isClosed) throw error;
        this.#failure = error as Error;
        this.#options.log.error({ err: error, delayMs }, 'the root zygote did not start: trying again');
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      if (this.#isClosed) throw new OlError('ERR_SHUTTING_DOWN', {});
    }
  }
}
