import type { NetworkSettings } from '../../network/network.ts';
import type { LaunchNetwork } from './control.ts';

/** What the launcher is told of a network. */
export function launchNetwork(network: NetworkSettings, resolverUid: number): LaunchNetwork {
  if (network.kind === 'none') return { kind: 'none', resolv_conf: null, resolver_uid: null };
  const { resolvConf: resolv_conf } = network;
  if (network.kind === 'host') return { kind: 'host', resolv_conf, resolver_uid: null };
  const { place, nft, rules } = network;
  return {
    kind: 'nat',
    resolv_conf,
    resolver_uid: resolverUid,
    link: place.name,
    machine_address: place.machineAddress,
    router_address: place.routerAddress,
    nft,
    rules,
  };
}
