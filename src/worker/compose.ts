import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cgroup } from '../cgroup/cgroup.ts';
import { chooseDriver } from '../cgroup/choose.ts';
import { CgroupPool } from '../cgroup/pool.ts';
import { readBase } from '../cluster/base.ts';
import { type Claim, claimSlot, UIDS_PER_WORKER, uidBase } from '../cluster/claims.ts';
import type { Config } from '../config/load.ts';
import { OlError } from '../errors.ts';
import { IdleLru } from '../functions/idle-lru.ts';
import { FunctionManager } from '../functions/manager.ts';
import { type MemoryGauge, MemoryPool } from '../functions/memory-pool.ts';
import { Pauser } from '../functions/pauser.ts';
import { Turn } from '../functions/turn.ts';
import { checkKernel } from '../linux/kernel.ts';
import { availableMemoryMb } from '../linux/memory.ts';
import { makeEmpty } from '../linux/remove-tree.ts';
import { scheduleWorker } from '../linux/scheduling.ts';
import { spreadDirectoriesIn } from '../linux/spread.ts';
import type { Network } from '../network/network.ts';
import { aboutPackage } from '../packages/index-file.ts';
import type { Packages } from '../packages/packages.ts';
import { createLocalRegistry } from '../registry/local.ts';
import type { Registry } from '../registry/registry.ts';
import { createRemoteRegistry } from '../registry/remote/remote.ts';
import { cleanUps } from '../sandbox/clean-up.ts';
import type { CoreWatch } from '../sandbox/cores/core-watch.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import { SockEngine } from '../sandbox/sock/engine.ts';
import type { WorkshopEngine } from '../sandbox/workshop.ts';
import type { ZygoteEngine } from '../sandbox/zygotes.ts';
import type { Log } from '../telemetry/log.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { createTiming, type Timing } from '../telemetry/timing.ts';
import { ImportCache } from '../zygote/import-cache.ts';
import { readTreeFile } from '../zygote/tree-file.ts';
import { watchCores } from './compose-cores.ts';
import { createDockerEngine } from './compose-docker.ts';
import { withNetwork } from './compose-network.ts';
import { createPackages, warmUp } from './compose-packages.ts';
import { ConnectionNotes } from './connection-notes.ts';
import { route } from './routes.ts';
import { RunLambda } from './run-lambda.ts';
import { HttpServer } from './server.ts';

/** The worker, the zygote and the rest of the machine have what remains. */
const POOL_OF_MEMORY = 3 / 4;

/** A worker that answers requests. */
export interface RunningWorker {
  readonly port: number;
  readonly urls: readonly string[];
  /** Lets accepted requests finish for `shutdown_grace_ms`, refuses new ones, then ends everything. Idempotent. */
  close(): Promise<void>;
  /** Resolves when everything has ended. */
  readonly closed: Promise<void>;
}

/**
 * Puts a worker together and starts it. This is the only place that names engines, registries and policies.
 * Throws what `createDockerEngine` throws, ERR_NOT_ROOT, ERR_KERNEL, ERR_FILE_INVALID, ERR_NO_PYTHON, ERR_BASE_IMAGE, ERR_NETWORK, ERR_WORKER_RUNNING, ERR_PORT_TAKEN; leaves nothing then.
 */
export async function startWorker(config: Config, log: Log): Promise<RunningWorker> {
  if (process.getuid?.() !== 0) throw new OlError('ERR_NOT_ROOT', {});
  checkKernel();
  const tree = config.importCacheTree === null ? null : readTreeFile(config.importCacheTree);
  scheduleWorker();
  await using undo = new AsyncDisposableStack();
  await mkdir(config.workerDir, { recursive: true, mode: 0o755 });
  const claim = await claimSlot({
    cluster: config.clusterDir,
    workerDir: config.workerDir,
    host: config.workerHost,
    port: config.workerPort,
    ...cleanUps,
  });
  undo.defer(() => claim.release());
  const timing = createTiming({ toLog: config.timing, file: config.benchmarkLog, log });
  undo.defer(() => timing?.close());
  const idle = new IdleLru({ maxKb: config.handlerCacheKb });
  const registry = await createRegistry(config, { idle, log });
  undo.defer(() => registry.close());
  const memPoolMb = config.memPoolMb ?? Math.floor(availableMemoryMb() * POOL_OF_MEMORY);
  log.info({ memPoolMb }, 'memory pool');
  const metrics = new Metrics();
  const common = { log, timing, metrics, memPoolMb };
  const { engine, zygotes, gauge } = await createSandboxes(config, claim, undo, common);
  const limits = { poolMb: memPoolMb, limitMb: config.memLimitMb };
  const memory = new MemoryPool({ ...limits, gauge, idle, log });
  const importCache = zygotes === null ? null : createImportCache(config, zygotes, { memory, metrics, log });
  const cached: Engine = importCache ?? engine;
  undo.defer(() => cached.close());
  const packages = await createPackages(config, engine, log);
  undo.defer(() => packages.close());
  const parts = {
    registry,
    packages,
    engine: cached,
    log,
    timing,
    metrics,
    memory,
    idle,
  };
  const functions = createFunctions(config, undo, parts);
  metrics.watch(() => functions.levels());
  const server = await serve(config, { functions, log, metrics });
  await claim.update({ port: server.port });
  log.info(
    { urls: server.urls, workerDir: config.workerDir, engine: engine.name, pid: process.pid },
    'ready',
  );
  const { startupPkgs } = config;
  warmUp({ startupPkgs, tree, packages, cache: importCache, log }).catch((error: unknown) =>
    log.error({ err: error }, 'the import cache was not made ready'),
  );
  return running({ config, log, server, functions, resources: undo.move() });
}

/** Idle sandboxes hold their code: where there is no room for other code, some of them end. */
const IDLE_ENDED_FOR_CODE = 4;

async function createRegistry(
  config: Config,
  { idle, log }: { readonly idle: IdleLru; readonly log: Log },
): Promise<Registry> {
  const common = {
    codeDir: join(config.workerDir, 'code'),
    cacheMaxBytes: config.codeCacheMb * 2 ** 20,
    whenFull: () => idle.evictOldest(IDLE_ENDED_FOR_CODE),
    log,
  };
  const { registryBucket: bucket, registryDir } = config;
  const pulledFile = join(config.workerDir, 'pulled.json');
  if (bucket === null) {
    // It would speak of copies that this registry has put in their place.
    await rm(pulledFile, { force: true });
    return await createLocalRegistry({ ...common, registryDir });
  }
  const { registryCheckMs: checkMs, registryTimeoutMs: timeoutMs } = config;
  return await createRemoteRegistry({ ...common, bucket, pulledFile, checkMs, timeoutMs });
}

/** The cgroups of this worker's sandboxes; what an earlier worker of the same slot left of its own goes first. */
async function createCgroups(
  config: Config,
  claim: Claim,
  { memPoolMb, log }: { readonly memPoolMb: number; readonly log: Log },
) {
  const driver = chooseDriver({ workerName: String(claim.slot), log });
  await claim.update({ cgroupDirs: driver.dirs });
  await driver.removeLeftovers();
  driver.whole.setMemoryMb(memPoolMb);
  const limits = { memoryMb: config.memLimitMb, pids: config.procsMax, cpuPercent: config.cpuPercent };
  const zygoteCgroup = (name: string) => {
    const cgroup = driver.create(name);
    cgroup.setLimits({ memoryMb: config.importMemLimitMb, pids: config.procsMax, cpuPercent: 0 });
    return cgroup;
  };
  const pool = new CgroupPool({ driver, size: config.cgPoolSize, limits, log });
  const close = async () => {
    await pool.close();
    await driver.close();
  };
  return { pool, zygoteCgroup, whole: driver.whole, close };
}

/** What makes sandboxes. `zygotes` is the same engine where it can fork from imported packages, else null. */
interface Sandboxes {
  readonly engine: Engine & WorkshopEngine;
  readonly zygotes: ZygoteEngine | null;
  readonly gauge: MemoryGauge;
}

async function createSandboxes(
  config: Config,
  claim: Claim,
  undo: AsyncDisposableStack,
  { memPoolMb, ...telemetry }: Measured & { readonly memPoolMb: number },
): Promise<Sandboxes> {
  if (config.sandbox === 'docker') {
    const engine = await createDockerEngine(config, claim, { memPoolMb, log: telemetry.log });
    return { engine, zygotes: null, gauge: engine };
  }
  const cgroups = await createCgroups(config, claim, { memPoolMb, log: telemetry.log });
  undo.defer(() => cgroups.close());
  const { pool, zygoteCgroup, whole } = cgroups;
  const cores = watchCores(config, whole, telemetry);
  undo.defer(() => cores?.close());
  const parts = { ...telemetry, cgroups: pool, zygoteCgroup, memPoolMb, coreWatch: cores?.watch ?? null };
  const { made: engine, network } = await withNetwork(config, claim, telemetry.log, async (wanted) => {
    return await createEngine(config, claim, { ...parts, network: wanted });
  });
  undo.defer(() => network.close());
  return { engine, zygotes: engine, gauge: whole };
}

async function createEngine(
  config: Config,
  claim: Claim,
  { memPoolMb, metrics, network, ...parts }: EngineParts,
): Promise<ZygoteEngine & WorkshopEngine> {
  const handlersDir = join(config.workerDir, 'handlers');
  const sparesDir = join(config.workerDir, 'spares');
  await makeEmpty(handlersDir);
  const importsDir = join(config.workerDir, 'import-cache');
  await makeEmpty(sparesDir);
  spreadDirectoriesIn(sparesDir);
  await makeEmpty(importsDir);
  const base = await readBase(config.sockBasePath);
  return await SockEngine.start({
    base: { dir: config.sockBasePath, ...base },
    packagesDir: config.pkgsDir,
    network: network.settings,
    handlersDir,
    sparesDir,
    importsDir,
    rehearsedDir: join(config.workerDir, 'rehearsal'),
    uids: { base: uidBase(claim.slot), count: UIDS_PER_WORKER },
    importTimeoutMs: config.importTimeoutMs,
    zygoteSilentMs: config.zygoteSilentMs,
    sandboxConfig: config.sandboxConfig,
    tmpMaxMb: config.tmpMaxMb,
    spares: config.spareSandboxes,
    bounds: {
      memLimitMb: config.memLimitMb,
      memPoolMb,
      procsMax: config.procsMax,
      scratchMaxMb: config.scratchMaxMb,
      scratchMaxFiles: config.scratchMaxFiles,
    },
    fileMaxMb: config.fileMaxMb,
    installFileMaxMb: config.installMaxMb,
    openFilesMax: config.openFilesMax,
    ...parts,
    onInit: async (pid) => await claim.update({ zygotePid: pid }),
    onZygoteDeath: () => metrics.zygoteDied('root'),
  });
}

/** Sandboxes are forked from what the functions' packages are imported in, where there is memory for that. */
function createImportCache(
  config: Config,
  engine: ZygoteEngine,
  { memory, metrics, log }: { readonly memory: MemoryPool; readonly metrics: Metrics; readonly log: Log },
): ImportCache | null {
  if (config.importCacheKb === 0) return null;
  const cache = new ImportCache({
    engine,
    budgetKb: config.importCacheKb,
    roomKb: () => memory.roomKb,
    waitMs: config.invocationTimeoutMs,
    about: (one) => aboutPackage(config.pkgsDir, one),
    metrics,
    log,
  });
  memory.borrowFrom(cache);
  return cache;
}

interface Telemetry {
  readonly log: Log;
  readonly timing: Timing | null;
}

interface Measured extends Telemetry {
  readonly metrics: Metrics;
}

interface EngineParts extends Measured {
  readonly cgroups: CgroupPool;
  readonly zygoteCgroup: (name: string) => Cgroup;
  readonly network: Network;
  readonly memPoolMb: number;
  readonly coreWatch: CoreWatch | null;
}

interface Parts extends Measured {
  readonly registry: Registry;
  readonly packages: Packages;
  readonly engine: Engine;
  readonly memory: MemoryPool;
  readonly idle: IdleLru;
}

function createFunctions(config: Config, undo: AsyncDisposableStack, parts: Parts): FunctionManager {
  const pauser = new Pauser({ delayMs: config.pauseDelayMs });
  undo.defer(() => pauser.close());
  undo.defer(() => parts.memory.close());
  return new FunctionManager({
    ...parts,
    turn: new Turn(),
    pauser,
    maxRunners: config.maxRunners,
    surplusKeepMs: config.surplusKeepMs,
    queueMax: config.queueMax,
    timeoutMs: config.invocationTimeoutMs,
    responseMaxBytes: config.responseMaxKb * 1024,
  });
}

interface Served {
  readonly functions: FunctionManager;
  readonly log: Log;
  readonly metrics: Metrics;
}

async function serve(config: Config, served: Served): Promise<HttpServer> {
  const runLambda = new RunLambda({ ...served, requestMaxBytes: config.requestMaxKb * 1024 });
  const routes = { ...served, runLambda, isClosing: () => served.functions.isClosing };
  const notes = new ConnectionNotes(served);
  return await HttpServer.listen(config.workerHost, config.workerPort, {
    broken: (error) => notes.broken(error),
    dropped: () => notes.dropped(),
    request: (request, response) => route(routes, request, response),
    checkContinue: (request, response) => runLambda.checkContinue(request, response),
  });
}

interface Running {
  readonly config: Config;
  readonly log: Log;
  readonly server: HttpServer;
  readonly functions: FunctionManager;
  /** The engine, the registry and the claim, in the order in which they are to be closed. */
  readonly resources: AsyncDisposableStack;
}

function running({ config, log, server, functions, resources }: Running): RunningWorker {
  const closed = Promise.withResolvers<void>();
  let closing: Promise<void> | null = null;
  const end = async () => {
    await functions.drain(config.shutdownGraceMs);
    await server.close();
    await resources.disposeAsync();
    log.info('ended');
    closed.resolve();
  };
  const close = () => {
    closing ??= end();
    return closing;
  };
  return { port: server.port, urls: server.urls, close, closed: closed.promise };
}

/** What a worker that died left there belongs to nobody any more. */
