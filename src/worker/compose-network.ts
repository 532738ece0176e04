import type { Claim } from '../cluster/claims.ts';
import type { Config } from '../config/load.ts';
import { isOlError } from '../errors.ts';
import { hostNetwork, type Network, NO_NETWORK, openNat } from '../network/network.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * Makes an engine with the network that the config asks for. Where it asks for none in particular that is `nat`, or `none` where
 * this machine can't do that, which the log says. Throws ERR_NETWORK, and what `make` throws.
 */
export async function withNetwork<T>(
  config: Config,
  claim: Claim,
  log: Log,
  make: (network: Network) => Promise<T>,
): Promise<{ readonly made: T; readonly network: Network }> {
  const { network: wanted } = config;
  if (wanted === 'none') return { made: await make(NO_NETWORK), network: NO_NETWORK };
  if (wanted === 'host') {
    log.warn('sandboxes share the network of this machine, and reach all that listens on it: this is unsafe');
    const network = await hostNetwork();
    return { made: await make(network), network };
  }
  try {
    return await withNat(config, claim, log, make);
  } catch (error) {
    if (wanted === 'nat' || !isOlError(error, 'ERR_NETWORK')) throw error;
    log.warn({ reason: error.message }, 'sandboxes have no network: mend that, or set network to "none"');
    return { made: await make(NO_NETWORK), network: NO_NETWORK };
  }
}

async function withNat<T>(
  config: Config,
  claim: Claim,
  log: Log,
  make: (network: Network) => Promise<T>,
): Promise<{ readonly made: T; readonly network: Network }> {
  const lists = { allow: config.networkAllow, deny: config.networkDeny };
  const network = await openNat(claim.slot, lists, log);
  try {
    return { made: await make(network), network };
  } catch (error) {
    await network.close();
    throw error;
  }
}
