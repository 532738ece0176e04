import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { parseJson } from '../config/check.ts';
import { registryKey } from '../config/schema.ts';
import { OlError } from '../errors.ts';
import { writeSecretAtomic } from '../linux/durable.ts';
import type { ClusterPaths } from './paths.ts';

/** What the registry of a cluster was started with; the next start without flags takes the same. */
export interface RegistryConfig {
  readonly host: string;
  /** 0 takes a free one, which is written down: the next start takes the same. */
  readonly port: number;
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface RegistryFlags {
  readonly host?: string;
  readonly port?: number;
  readonly accessKey?: string;
  readonly secretKey?: string;
}

const DEFAULT_PORT = 9000;
const schema = z.strictObject({
  host: z.string().min(1),
  port: z.int().min(0).max(65_535),
  access_key: registryKey(),
  secret_key: registryKey(),
});

/** What was written last, or null. Throws ERR_CONFIG_INVALID, which quotes nothing of the file. */
export async function readRegistryConfig(paths: ClusterPaths): Promise<RegistryConfig | null> {
  const path = paths.registryConfig;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const { success, data, error } = schema.safeParse(parseJson(text, path));
  if (success)
    return { host: data.host, port: data.port, accessKey: data.access_key, secretKey: data.secret_key };
  const keys = [...new Set(error.issues.map((issue) => issue.path.join('.') || 'the whole'))].join(', ');
  const reason = `it is not as \`admin registry\` writes it (${keys}): remove it, and give the keys with the next start`;
  throw new OlError('ERR_CONFIG_INVALID', { path, reason });
}

/**
 * The flags, else what was written last, else new keys and the usual port; written down, readable by the owner alone.
 * `isNew` where the secret was made here, and nobody has seen it.
 */
export async function settleRegistryConfig(
  paths: ClusterPaths,
  flags: RegistryFlags,
): Promise<{ readonly config: RegistryConfig; readonly isNew: boolean }> {
  const before = await readRegistryConfig(paths);
  const config: RegistryConfig = {
    host: flags.host ?? before?.host ?? 'localhost',
    port: flags.port ?? before?.port ?? DEFAULT_PORT,
    accessKey: checked('--access-key', flags.accessKey) ?? before?.accessKey ?? newAccessKey(),
    secretKey: checked('--secret-key', flags.secretKey) ?? before?.secretKey ?? newSecretKey(),
  };
  await writeRegistryConfig(paths, config);
  return { config, isNew: flags.secretKey === undefined && before === null };
}

/** Written whole or not at all, for its owner alone to read. */
export async function writeRegistryConfig(paths: ClusterPaths, config: RegistryConfig): Promise<void> {
  const { host, port, accessKey: access_key, secretKey: secret_key } = config;
  const text = JSON.stringify({ host, port, access_key, secret_key }, null, 2);
  await writeSecretAtomic(paths.registryConfig, `${text}\n`);
}

/** A key that a header can't hold would never be accepted. Throws ERR_BAD_KEY, without the key. */
function checked(flag: string, key: string | undefined): string | undefined {
  if (key === undefined || registryKey().safeParse(key).success) return key;
  throw new OlError('ERR_BAD_KEY', { flag });
}

/** As long as those that S3 clients are used to; letters and digits only, so that no shell minds. */
function newAccessKey(): string {
  return `OL${randomBytes(9).toString('hex').toUpperCase()}`;
}

function newSecretKey(): string {
  return randomBytes(20).toString('hex');
}
