import { isOlError, OlError } from '../errors.ts';
import { inTime } from '../in-time.ts';
import type { Code } from '../registry/registry.ts';
import type { Lock, LockedPackage } from '../sandbox/lock.ts';
import type { Engine, Sandbox } from '../sandbox/sandbox.ts';
import type { ZygoteEngine } from '../sandbox/zygotes.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { MIN_SAVED_MS } from './candidates.ts';
import { type Costs, costOfAdding, leftMsWhere, sharedCost, ZYGOTE_KB } from './costs.ts';
import { evict } from './evict.ts';
import { type GivenNode, GivenTree, keptNode } from './given-tree.ts';
import { type Growth, grow } from './grow.ts';
import { importsOfCode } from './imports-of-code.ts';
import { type AboutPackage, type Imports, KnownPackages } from './known-packages.ts';
import { type LiveNode, LiveTree } from './live-tree.ts';
import { type Asked, match } from './match.ts';
import { CallStatistics } from './statistics.ts';
import type { PackageKey } from './tree.ts';

export interface ImportCacheOptions {
  readonly engine: ZygoteEngine;
  /** Memory for all zygotes together. */
  readonly budgetKb: number;
  /** How much more they may take now, because nobody else needs it; below 0 where somebody does. */
  readonly roomKb: () => number;
  /** How long a call waits for a zygote that is being made; then it is forked from the best that is ready. */
  readonly waitMs: number;
  /** Of a package that is installed. */
  readonly about: (one: LockedPackage) => Promise<AboutPackage>;
  readonly metrics: Metrics;
  readonly log: Log;
}

type Origin = Pick<GivenNode, 'calls' | 'isKept'>;
const LEARNED: Origin = { calls: 0, isKept: false };

/** What could not be imported is tried again after so long: it may have been for want of memory or time. */
const AVOID_MS = 600_000;

/**
 * An engine whose sandboxes have as many of their packages imported as can be: it keeps a tree of zygotes, and asks the
 * policies which one to fork from (`match.ts`), which to make (`grow.ts`) and which to end (`evict.ts`).
 *
 * A call that finds no zygote for what it needs would import that itself: so it waits until a zygote has, and is forked from
 * there. What a zygote can't import, the function imports, and finds out for itself what is wrong with it.
 *
 * What was given (`plant`, `keep`) is made first: as soon as its packages are installed, or when a call comes for it.
 */
export class ImportCache implements Engine {
  readonly name: string;
  readonly #options: ImportCacheOptions;
  readonly #tree = new LiveTree();
  readonly #given = new GivenTree();
  readonly #packages: KnownPackages;
  readonly #statistics = new CallStatistics(new Map(), (key, among) =>
    this.#packages.loadsOf(among, new Set([key])),
  );
  /** The packages that each code imports modules of itself. */
  readonly #asked = new WeakMap<Code, ReadonlySet<PackageKey>>();
  /** Sets that could not be imported, and when that was. */
  readonly #avoided = new Map<string, number>();
  /** Counts cold starts: the policies' clock. */
  #starts = 0;
  #isClosed = false;

  constructor(options: ImportCacheOptions) {
    this.name = options.engine.name;
    this.#options = options;
    this.#packages = new KnownPackages(options.about);
    options.metrics.watchZygotes(() => ({ count: this.#tree.nodes.length, memoryKb: this.#tree.kb }));
  }

  async create(code: Code, lock: Lock | null): Promise<Sandbox> {
    const { engine, metrics } = this.#options;
    if (lock === null || lock.packages.length === 0) return await engine.create(code, lock);
    const packages = await this.#packages.keysOf(lock);
    const node = await this.#zygoteFor(packages, await this.#askedBy(code, lock, packages));
    const zygote = node?.zygote ?? null;
    if (node === null || zygote === null) {
      metrics.forked(0);
      return await engine.create(code, lock);
    }
    this.#use(node);
    node.forking++;
    try {
      return await engine.createFrom(zygote, code, lock);
    } finally {
      node.forking--;
    }
  }

  /** Tells what packages take, and what they import, as it was found out elsewhere. */
  know(costs: Costs, imports: ReadonlyMap<PackageKey, readonly string[]>): void {
    this.#statistics.noteCosts(costs);
    this.#packages.knowImports(imports);
  }

  /**
   * Has these zygotes made, one after the other, for as long as there is room: those whose packages are in one of the locks.
   * The rest is made when a call comes for it. Resolves when that is done; what fails is in the log.
   */
  async plant(nodes: readonly GivenNode[], locks: readonly Lock[]): Promise<void> {
    this.#given.add(nodes);
    for (const lock of locks) await this.#packages.keysOf(lock);
    for (const node of nodes) {
      if (!this.#isClosed && this.#packages.has(node.packages)) await this.#makeGiven(node)?.made;
    }
    this.#options.log.info({ zygotes: this.#tree.nodes.length, given: nodes.length }, 'import cache planted');
  }

  /** What all zygotes hold that could be ended now. */
  get lendableKb(): number {
    return this.#tree.kbOf(this.#toLend(Number.POSITIVE_INFINITY));
  }

  /** Ends zygotes that hold so much together, if there are such. What it ended is made again by a call that it would save something. */
  giveBack(wantedKb: number): { readonly kb: number; readonly gone: Promise<void> } {
    const ids = this.#toLend(wantedKb);
    const kb = this.#tree.kbOf(ids);
    this.#options.log.info({ zygotes: ids.length, kb }, 'zygotes end because sandboxes need their memory');
    return { kb, gone: this.#evict(ids) };
  }

  /** Keeps a zygote with exactly these packages, whatever it is worth. Resolves when it is there, or has failed. */
  async keep(lock: Lock): Promise<void> {
    if (lock.packages.length === 0) return;
    const node = keptNode(await this.#packages.keysOf(lock));
    this.#given.add([node]);
    if (!this.#isClosed) await this.#makeGiven(node)?.made;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#options.engine.close();
    await Promise.all(this.#tree.nodes.map(({ made }) => made));
  }

  /** Those of its packages that the code imports itself; all where it is not to be seen which. */
  async #askedBy(
    code: Code,
    lock: Lock,
    packages: ReadonlySet<PackageKey>,
  ): Promise<ReadonlySet<PackageKey>> {
    const known = this.#asked.get(code);
    if (known !== undefined) return known;
    const imported = this.#packages.noteImports(packages, await importsOfCode(code));
    const asked = imported.size > 0 ? imported : packages;
    if (imported.size === 0) this.#packages.noteImports(packages, lock.imports);
    this.#asked.set(code, asked);
    return asked;
  }

  #use(node: LiveNode): void {
    node.uses++;
    node.lastUsed = this.#starts;
    this.#options.metrics.forked(node.depth);
  }

  /** The zygote to fork from; null is the root zygote. */
  async #zygoteFor(
    packages: ReadonlySet<PackageKey>,
    imported: ReadonlySet<PackageKey>,
  ): Promise<LiveNode | null> {
    this.#starts++;
    const asked: Asked = { packages, loads: this.#packages.loadsOf(packages, imported) };
    this.#statistics.noteCall(packages, asked.loads);
    const ready = this.#best('ready', asked);
    if (ready !== null && this.#hasAll(ready, asked, imported)) return ready;
    this.#growFor(asked);
    const best = this.#best('all', asked);
    if (best === null || best.zygote !== null) return best;
    await inTime(best.made, this.#options.waitMs, () => {});
    return this.#best('ready', asked);
  }

  /** True where no other zygote would be worth making. */
  #hasAll({ packages }: LiveNode, { loads }: Asked, imported: ReadonlySet<PackageKey>): boolean {
    // What it does not ask for itself has been imported there with what does, or is not imported at all.
    if (imported.isSubsetOf(new Set(packages))) return true;
    return leftMsWhere(this.#statistics.costs, packages)(loads) < MIN_SAVED_MS;
  }

  #best(which: 'ready' | 'all', asked: Asked): LiveNode | null {
    const node = match(this.#tree.snapshot(which), asked, this.#statistics.costs);
    return node === null ? null : this.#tree.get(node.id);
  }

  #growFor(asked: Asked): void {
    if (this.#isClosed) return;
    const given = this.#given.match(asked, this.#statistics.costs);
    // What it is still missing then is learned by the calls that come after it.
    if (given !== null && this.#tree.find(given.key) === null && this.#makeGiven(given) !== null) return;
    const options = { avoid: this.#toAvoid(), forCall: asked };
    const growth = grow(this.#tree.snapshot('all'), this.#statistics, this.#budgetKb, options);
    if (growth !== null) this.#make(growth);
  }

  #toAvoid(): ReadonlySet<string> {
    const forgotten = performance.now() - AVOID_MS;
    for (const [key, since] of this.#avoided) if (since < forgotten) this.#avoided.delete(key);
    return new Set(this.#avoided.keys());
  }

  /** It, or the one that has its packages already; null where there is no room, or it can't be imported. */
  #makeGiven(given: GivenNode): LiveNode | null {
    const { parent, key, packages, added, importMs, isKept } = given;
    const there = this.#tree.find(key);
    if (there !== null) {
      there.isKept ||= isKept;
      return there;
    }
    if (this.#toAvoid().has(key)) return null;
    const above = parent === null ? null : this.#makeGiven(parent);
    if (parent !== null && above === null) return this.#makeGiven(withParents(given, parent));
    const kb = this.#expectedKb(added, above?.packages ?? []);
    if (isKept ? kb > this.#options.roomKb() : this.#tree.kb + kb > this.#budgetKb) return null;
    return this.#make({ parent: above?.id ?? null, packages, added, importMs, kb, evict: [] }, given);
  }

  #expectedKb(added: readonly PackageKey[], there: readonly PackageKey[]): number {
    const { costs } = this.#statistics;
    return costOfAdding(costs, added, sharedCost(costs, there)).kb + ZYGOTE_KB;
  }

  /** As much as the config gives, and the sandboxes leave. */
  get #budgetKb(): number {
    return Math.min(this.#options.budgetKb, this.#tree.kb + this.#options.roomKb());
  }

  #toLend(wantedKb: number): number[] {
    return evict(this.#tree.snapshot('all'), wantedKb, { evenKept: true });
  }

  #make(growth: Growth, { calls: uses, isKept }: Origin = LEARNED): LiveNode {
    void this.#evict(growth.evict);
    const node = this.#tree.add(growth, { now: this.#starts, uses, isKept });
    node.made = this.#import(node).catch((error: Error) => this.#failed(node, error));
    return node;
  }

  async #import(node: LiveNode): Promise<void> {
    const { engine, budgetKb } = this.#options;
    // Of a zygote that is being made itself.
    await node.parent?.made;
    const parent = node.parent?.zygote ?? null;
    const wanted = this.#packages.importsOf(node.packages, node.added);
    if (node.parent !== null && parent === null) throw parentMissing(wanted);
    const zygote = await engine.importAhead({ parent, ...wanted });
    node.zygote = zygote;
    node.importMs = zygote.importMs;
    node.kb = zygote.memoryKb;
    void zygote.gone.then((how) => this.#gone(node, how));
    const loaded = this.#packages.noteLoaded(node.packages, zygote.loaded);
    const imported = new Set(zygote.loaded.steps.map(({ module }) => module));
    this.#packages.noteFailure(
      node.packages,
      wanted.modules.filter((module) => !imported.has(module)),
    );
    const measured = { ms: node.importMs, kb: Math.max(0, node.kb - ZYGOTE_KB) };
    const added = node.added.filter((key) => loaded.has(key));
    this.#statistics.noteImport(added, measured, node.parent?.packages);
    void this.#evict(evict(this.#tree.snapshot('all'), this.#tree.kb - budgetKb));
  }

  #failed(node: LiveNode, error: Error): void {
    this.#tree.remove(node);
    this.#packages.noteFailure(node.packages, this.#packages.importsOf(node.packages, node.added).modules);
    if (this.#isClosed) return;
    const isItsOwn = node.parent === null || node.parent.zygote !== null;
    if (isItsOwn && isOlError(error, 'ERR_IMPORT')) this.#avoided.set(node.key, performance.now());
    this.#options.log.warn({ err: error, packages: node.added }, 'packages are not imported ahead');
  }

  /** It may have died: the root zygote may have, too. */
  #gone(node: LiveNode, how: string): void {
    if (!this.#tree.remove(node) || this.#isClosed) return;
    this.#options.metrics.zygoteDied('packages');
    this.#options.log.warn({ how, packages: node.packages }, 'a zygote with packages died');
  }

  /** Resolves when they are gone. */
  async #evict(ids: readonly number[]): Promise<void> {
    const nodes = ids.map((id) => this.#tree.get(id)).filter((node) => node !== null);
    for (const node of nodes) {
      this.#tree.remove(node);
      this.#options.log.debug({ packages: node.packages, kb: node.kb }, 'a zygote with packages is evicted');
    }
    await Promise.all(nodes.map(({ zygote }) => zygote?.close()));
  }
}

/** The same zygote, forked from the one above its parent: what can't be imported by itself may be with what else it has. */
function withParents(given: GivenNode, { parent, added, importMs }: GivenNode): GivenNode {
  return { ...given, parent, added: [...added, ...given.added].sort(), importMs: importMs + given.importMs };
}

function parentMissing({ modules }: Imports): OlError {
  const reason = 'the zygote that it was to be forked from could not be made';
  return new OlError('ERR_IMPORT', { modules: modules.join(', '), reason });
}
