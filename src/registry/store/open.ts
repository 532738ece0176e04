import type { Config } from '../../config/load.ts';
import type { Store } from './store.ts';

/** The store of the registry that the config names. Asks nobody and changes nothing. */
export async function openStore(
  config: Pick<Config, 'registryDir' | 'registryBucket' | 'registryTimeoutMs'>,
): Promise<Store> {
  // Loaded here, each when it is the one: the SDK for S3 alone takes a fifth of a second.
  if (config.registryBucket !== null) {
    const { S3Store } = await import('./s3-store.ts');
    return await S3Store.open(config.registryBucket, config.registryTimeoutMs);
  }
  const { LocalStore } = await import('./local-store.ts');
  return new LocalStore(config.registryDir);
}
