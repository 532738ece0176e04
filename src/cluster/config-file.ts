import { readFile } from 'node:fs/promises';
import { checkConfig, parseJson } from '../config/check.ts';
import { type CheckedConfig, SECRET_KEYS } from '../config/schema.ts';
import { type Change, mergeConfig } from '../config/set.ts';
import { OlError } from '../errors.ts';
import { writeFileAtomic, writeSecretAtomic } from '../linux/durable.ts';
import { type ClusterPaths, openCluster, realpathOf, type WorkerPaths } from './paths.ts';

/** A config file as it is written, and as it is meant. */
export interface ConfigText {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly checked: CheckedConfig;
}

/** Reads and checks a cluster's template. Throws ERR_CONFIG_INVALID, also where the cluster was moved. */
export async function readTemplate(paths: ClusterPaths): Promise<ConfigText> {
  const parsed = parseJson(await readFile(paths.template, 'utf8'), paths.template);
  const checked = checkConfig(parsed, paths.template);
  await checkPlace(checked, paths);
  return { raw: Object(parsed), checked };
}

/**
 * Merges JSON text into the template of a cluster; returns what changed. Throws ERR_CONFIG_INVALID, and then the file is
 * what it was. Two at the same time follow one another.
 */
export async function setTemplate(cluster: string, text: string): Promise<readonly Change[]> {
  const paths = await openCluster(cluster);
  const { withDirLock } = await import('../linux/dir-lock.ts');
  return await withDirLock(paths.config, 10_000, async () => {
    const current = parseJson(await readFile(paths.template, 'utf8'), paths.template);
    const { merged, changes } = mergeConfig(current, text, paths.template);
    if (changes.length > 0) await writeConfig(paths.template, merged);
    return changes;
  });
}

/** Writes the config file of a worker: the template, and what is this worker's own. */
export async function writeWorkerConfig(
  template: ConfigText,
  cluster: ClusterPaths,
  worker: WorkerPaths,
  port: number,
): Promise<void> {
  const own = { cluster_name: cluster.root, worker_port: String(port), worker_dir: worker.dir };
  await writeConfig(worker.config, { ...template.raw, ...own });
}

/** The template holds absolute paths: a cluster that was moved or copied would work on the old place. */
async function checkPlace(checked: CheckedConfig, paths: ClusterPaths): Promise<void> {
  const name = checked.cluster_name;
  if (name === undefined || (await realpathOf(name)) === paths.root) return;
  const places = '{"cluster_name": null, "registry_dir": null, "sock_base_path": null, "pkgs_dir": null}';
  const reason =
    `cluster_name is ${name}, but the cluster is at ${paths.root}: where it was moved, ` +
    `set its paths anew with \`admin setconf --cluster=${paths.root} '${places}'\``;
  throw new OlError('ERR_CONFIG_INVALID', { path: paths.template, reason });
}

/** One that holds a secret is for its owner alone. */
async function writeConfig(path: string, config: Readonly<Record<string, unknown>>): Promise<void> {
  const text = `${JSON.stringify(config, null, 2)}\n`;
  const isSecret = Object.keys(config).some((key) => SECRET_KEYS.has(key));
  await (isSecret ? writeSecretAtomic(path, text) : writeFileAtomic(path, text));
}
