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

/** What is asked for; what is left out is as it was written last. */
export type RegistryOptions = Partial<RegistryConfig>;

/** Keys of a registry. */
export type RegistryKeys = Pick<RegistryConfig, 'accessKey' | 'secretKey'>;

const DEFAULTS = { host: 'localhost', port: 9000 };
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
  return parseRegistryConfig(text, path);
}

/** Reads what `registryConfigText` made; `path` is for the message. Throws ERR_CONFIG_INVALID, which quotes nothing of it. */
export function parseRegistryConfig(text: string, path: string): RegistryConfig {
  const { success, data, error } = schema.safeParse(parseJson(text, path));
  if (success)
    return { host: data.host, port: data.port, accessKey: data.access_key, secretKey: data.secret_key };
  const keys = [...new Set(error.issues.map((issue) => issue.path.join('.') || 'the whole'))].join(', ');
  const reason = `it is not as \`admin registry\` writes it (${keys}): remove it, and give the keys with the next start`;
  throw new OlError('ERR_CONFIG_INVALID', { path, reason });
}

export function registryConfigText({ host, port, accessKey, secretKey }: RegistryConfig): string {
  return `${JSON.stringify({ host, port, access_key: accessKey, secret_key: secretKey }, null, 2)}\n`;
}

/** The config to start with, and those of its keys that nobody has seen yet. */
export interface SettledRegistry {
  readonly config: RegistryConfig;
  readonly newKeys: Partial<RegistryKeys>;
}

/**
 * What was asked for, else what was written last (null for nothing), else `fresh` keys and the usual place. Throws ERR_BAD_KEY.
 */
export function settleRegistryConfig(
  before: RegistryConfig | null,
  asked: RegistryOptions,
  fresh: RegistryKeys,
): SettledRegistry {
  checkKey('--access-key', asked.accessKey);
  checkKey('--secret-key', asked.secretKey);
  const config = { ...DEFAULTS, ...fresh, ...before, ...asked };
  const isNew = (key: keyof RegistryKeys) => config[key] === fresh[key];
  return {
    config,
    newKeys: {
      ...(isNew('accessKey') ? { accessKey: fresh.accessKey } : {}),
      ...(isNew('secretKey') ? { secretKey: fresh.secretKey } : {}),
    },
  };
}

/** As long as those that S3 clients are used to; letters and digits only, so that no shell minds. */
export function makeRegistryKeys(): RegistryKeys {
  return {
    accessKey: `OL${randomBytes(9).toString('hex').toUpperCase()}`,
    secretKey: randomBytes(20).toString('hex'),
  };
}

/** Written whole or not at all, for its owner alone to read. */
export async function writeRegistryConfig(paths: ClusterPaths, config: RegistryConfig): Promise<void> {
  await writeSecretAtomic(paths.registryConfig, registryConfigText(config));
}

/** A key that a header can't hold would never be accepted. Throws ERR_BAD_KEY, without the key. */
function checkKey(flag: string, key: string | undefined): void {
  if (key === undefined || registryKey().safeParse(key).success) return;
  throw new OlError('ERR_BAD_KEY', { flag });
}
