import { readFile } from 'node:fs/promises';
import { OlError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import { giveUp, keepOnly, turnOn } from './forwarding.ts';
import { closedLegacyChain } from './legacy-firewall.ts';
import { findNft, listChains, listTables, runNft } from './nft.ts';
import {
  closedForwardChain,
  machineRules,
  type NetworkLists,
  type NetworkPlace,
  networksIn,
  noMachineRules,
  placeOf,
  ROUTER_ADDRESS,
  routerRules,
} from './rules.ts';

/** What the sandboxes of an engine reach. */
export type NetworkSettings =
  | { readonly kind: 'none' }
  /** `resolvConf`: the text of the machine's. */
  | { readonly kind: 'host'; readonly resolvConf: string }
  /** `rules` are those of the router, which `nft`, a path, is to load there. */
  | {
      readonly kind: 'nat';
      readonly place: NetworkPlace;
      readonly nft: string;
      readonly rules: string;
      readonly resolvConf: string;
    };

/** A network that is there, on the machine's side, and goes when it is closed. */
export interface Network {
  readonly settings: NetworkSettings;
  /** When nothing is on the other side any more. */
  close(): Promise<void>;
}

export const NO_NETWORK: Network = { settings: { kind: 'none' }, close: async () => {} };

/** The network of the machine, for whoever has asked for it. */
export async function hostNetwork(): Promise<Network> {
  return { ...NO_NETWORK, settings: { kind: 'host', resolvConf: await readResolvConf() } };
}

/**
 * The machine's side of a worker's network: one table, in one transaction, and forwarding. Throws ERR_NETWORK, and leaves nothing
 * then.
 */
export async function openNat(slot: number, lists: NetworkLists, log: Log): Promise<Network> {
  const nft = findNft();
  if (nft === null) throw noNetwork('nft is not installed: install nftables by the package manager');
  const place = placeOf(slot);
  await using undo = new AsyncDisposableStack();
  await tried(
    'nft refuses the rules: load the modules nf_tables and nf_nat',
    runNft(nft, machineRules(place)),
  );
  undo.defer(async () => await closeNat(place.name, nft));
  await tried('packets cannot be forwarded: let this process write net.ipv4.ip_forward', turnOn(place.name));
  await warnOfFirewall(nft, log);
  undo.move();
  const settings: NetworkSettings = {
    kind: 'nat',
    place,
    nft,
    rules: routerRules(lists),
    resolvConf: `nameserver ${ROUTER_ADDRESS}\n`,
  };
  return { settings, close: async () => await closeNat(place.name, nft) };
}

/**
 * Removes what workers that were killed have left on the machine: tables of slots that nobody has, and forwarding. The links went
 * with their processes. Whoever makes a table has its slot before; so none of a worker that is about to start is taken for stray.
 */
export async function removeStrayNetworks(inUse: readonly { readonly slot: number }[]): Promise<void> {
  const names = inUse.map(({ slot }) => placeOf(slot).name);
  const nft = findNft();
  // Without its link a table does nothing: nobody has to be kept from starting until nft is back.
  const stray = nft === null ? [] : networksIn(await listTables(nft)).filter((name) => !names.includes(name));
  for (const name of stray) await runNft(nft ?? '', noMachineRules(name));
  await keepOnly(names);
}

async function closeNat(name: string, nft: string): Promise<void> {
  try {
    await runNft(nft, noMachineRules(name));
  } finally {
    await giveUp(name);
  }
}

/** A verdict of ours lets nothing through that another table drops. */
async function warnOfFirewall(nft: string, log: Log): Promise<void> {
  const chain = closedForwardChain(await listChains(nft)) ?? (await closedLegacy(log));
  if (chain === null) return;
  log.warn(
    { chain },
    'the firewall of this machine forwards nothing that it does not know: sandboxes have no network before it lets "openlambda-*" through (docs/network.md)',
  );
}

/** Nothing depends on it but the warning. */
async function closedLegacy(log: Log): Promise<string | null> {
  try {
    return await closedLegacyChain();
  } catch (error) {
    log.warn({ err: error }, 'it is not known whether the firewall of this machine forwards for sandboxes');
    return null;
  }
}

async function readResolvConf(): Promise<string> {
  try {
    return await readFile('/etc/resolv.conf', 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

async function tried(what: string, done: Promise<void>): Promise<void> {
  try {
    await done;
  } catch (cause) {
    throw noNetwork(`${what} (${(cause as Error).message})`, cause);
  }
}

function noNetwork(reason: string, cause?: unknown): OlError {
  return new OlError('ERR_NETWORK', { reason }, { cause });
}
