import { basename, dirname, join, resolve } from 'node:path';
import { OlError } from '../errors.ts';
import { checkConfig, parseJson } from './check.ts';
import { networkRefusal } from './network.ts';
import { readText } from './read-text.ts';
import type { CheckedConfig } from './schema.ts';

/** A bucket of an S3 server, and how it is spoken to. */
export interface BucketConfig {
  /** `http://localhost:9000` */
  readonly server: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

/** The config as the code sees it: every path absolute, every default filled in, frozen. */
export interface Config {
  readonly clusterDir: string;
  readonly workerDir: string;
  readonly workerPort: number;
  readonly workerHost: string;
  readonly registry: CheckedConfig['registry'];
  readonly registryDir: string;
  /** The bucket that `remote` stands for; null with a local registry. */
  readonly registryBucket: BucketConfig | null;
  readonly registryCheckMs: number;
  readonly registryTimeoutMs: number;
  readonly codeCacheMb: number;
  readonly sandbox: CheckedConfig['sandbox'];
  readonly sockBasePath: string;
  readonly dockerImage: string;
  /** Null for what the environment says. */
  readonly dockerSocket: string | null;
  /** Null for what can be had. */
  readonly network: 'nat' | 'none' | 'host' | null;
  readonly networkAllow: readonly string[];
  readonly networkDeny: readonly string[];
  readonly pkgsDir: string;
  /** Null for what pip's configuration says. */
  readonly pipMirror: string | null;
  readonly startupPkgs: readonly string[];
  readonly installTimeoutMs: number;
  readonly installRetryMs: number;
  readonly installMemLimitMb: number;
  readonly installMaxMb: number;
  /** JSON text, as the handler gets it. */
  readonly sandboxConfig: string;
  readonly maxRunners: number;
  readonly queueMax: number;
  readonly handlerCacheKb: number;
  readonly importCacheKb: number;
  /** A tree file. */
  readonly importCacheTree: string | null;
  readonly importMemLimitMb: number;
  readonly importTimeoutMs: number;
  readonly zygoteSilentMs: number;
  readonly surplusKeepMs: number;
  readonly spareSandboxes: number;
  readonly invocationTimeoutMs: number;
  readonly requestMaxKb: number;
  readonly responseMaxKb: number;
  readonly memLimitMb: number;
  /** Null for the machine's own. */
  readonly memPoolMb: number | null;
  readonly procsMax: number;
  readonly cpuPercent: number;
  readonly openFilesMax: number;
  readonly fileMaxMb: number;
  readonly scratchMaxMb: number;
  readonly scratchMaxFiles: number;
  readonly cgPoolSize: number;
  readonly pauseDelayMs: number;
  readonly schedTickUs: number;
  readonly tmpMaxMb: number;
  readonly shutdownGraceMs: number;
  readonly timing: boolean;
  readonly benchmarkLog: string | null;
  readonly logLevel: CheckedConfig['log_level'];
}

/** Reads and checks a worker's config file. Throws ERR_CONFIG_INVALID. */
export function loadConfig(file: string): Config {
  const path = resolve(file);
  return resolveConfig(checkConfig(parseJson(readText(path, 'ERR_CONFIG_INVALID'), path), path), path);
}

/** Turns checked keys into the form that the code uses; `path` is the file that they came from. */
export function resolveConfig(checked: CheckedConfig, path: string): Config {
  const clusterDir = checked.cluster_name ?? clusterAbove(path);
  checkEngine(checked, path);
  return Object.freeze({
    clusterDir,
    workerDir: checked.worker_dir ?? join(clusterDir, 'workers', 'worker-0'),
    workerPort: checked.worker_port,
    workerHost: checked.worker_host,
    registry: checked.registry,
    registryDir: checked.registry_dir ?? join(clusterDir, 'registry'),
    registryBucket: checked.registry === 'remote' ? bucketOf(checked, path) : null,
    registryCheckMs: checked.registry_check_ms,
    registryTimeoutMs: checked.registry_timeout_ms,
    codeCacheMb: checked.code_cache_mb,
    sandbox: checked.sandbox,
    sockBasePath: checked.sock_base_path ?? join(clusterDir, 'base'),
    dockerImage: checked.docker_image,
    dockerSocket: checked.docker_socket ?? null,
    network: checked.network ?? null,
    networkAllow: checked.network_allow,
    networkDeny: checked.network_deny,
    pkgsDir: checked.pkgs_dir ?? join(clusterDir, 'packages'),
    pipMirror: checked.pip_mirror ?? null,
    startupPkgs: checked.startup_pkgs,
    installTimeoutMs: checked.install_timeout_ms,
    installRetryMs: checked.install_retry_ms,
    installMemLimitMb: checked.install_mem_limit_mb,
    installMaxMb: checked.install_max_mb,
    sandboxConfig: JSON.stringify(checked.sandbox_config),
    maxRunners: checked.max_runners,
    queueMax: checked.queue_max,
    handlerCacheKb: checked.handler_cache_size,
    importCacheKb: checked.import_cache_size,
    importCacheTree: checked.import_cache_tree ?? null,
    importMemLimitMb: checked.import_mem_limit_mb,
    importTimeoutMs: checked.import_timeout_ms,
    zygoteSilentMs: checked.zygote_silent_ms,
    surplusKeepMs: checked.surplus_keep_ms,
    spareSandboxes: checked.spare_sandboxes,
    invocationTimeoutMs: checked.invocation_timeout_ms,
    requestMaxKb: checked.request_max_kb,
    responseMaxKb: checked.response_max_kb,
    memLimitMb: checked.mem_limit_mb,
    memPoolMb: checked.mem_pool_mb ?? null,
    procsMax: checked.procs_max,
    cpuPercent: checked.cpu_percent,
    openFilesMax: checked.open_files_max,
    fileMaxMb: checked.file_max_mb,
    scratchMaxMb: checked.scratch_max_mb,
    scratchMaxFiles: checked.scratch_max_files,
    cgPoolSize: checked.cg_pool_size,
    pauseDelayMs: checked.pause_delay_ms,
    schedTickUs: checked.sched_tick_us,
    tmpMaxMb: checked.tmp_max_mb,
    shutdownGraceMs: checked.shutdown_grace_ms,
    timing: checked.timing,
    benchmarkLog: checked.benchmark_log ?? null,
    logLevel: checked.log_level,
  });
}

/** What was asked for and can't be had must not be left out silently. */
function checkEngine(checked: CheckedConfig, path: string): void {
  const refusal = networkRefusal(checked);
  if (refusal !== null) throw new OlError('ERR_CONFIG_INVALID', { path, reason: refusal });
  const { sandbox, import_cache_tree: tree } = checked;
  if (sandbox !== 'docker' || tree === undefined) return;
  const reason =
    'import_cache_tree is for `"sandbox": "sock"`, as containers are not forked from zygotes: take it out, or use sock';
  throw new OlError('ERR_CONFIG_INVALID', { path, reason });
}

function clusterAbove(path: string): string {
  const dir = dirname(path);
  if (basename(dir) === 'config') return dirname(dir);
  const reason =
    'cluster_name is missing: give the absolute path of the cluster directory (made by `admin new`)';
  throw new OlError('ERR_CONFIG_INVALID', { path, reason });
}

/** Throws ERR_CONFIG_INVALID where the server or a key is missing. */
function bucketOf(checked: CheckedConfig, path: string): BucketConfig {
  const { registry_server: server, registry_access_key: accessKey, registry_secret_key: secretKey } = checked;
  if (server === undefined || accessKey === undefined || secretKey === undefined) {
    const given = { registry_server: server, registry_access_key: accessKey, registry_secret_key: secretKey };
    const missing = Object.entries(given).flatMap(([key, value]) => (value === undefined ? [key] : []));
    const reason =
      `registry is "remote", but ${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'} missing: ` +
      'start one with `admin registry`, or set them with `admin setconf`';
    throw new OlError('ERR_CONFIG_INVALID', { path, reason });
  }
  return {
    server: /^https?:\/\//.test(server) ? server : `http://${server}`,
    bucket: checked.registry_bucket,
    region: checked.registry_region,
    accessKey,
    secretKey,
  };
}
