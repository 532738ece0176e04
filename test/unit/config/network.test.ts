import { expect, test } from 'vitest';
import { checkConfig } from '../../../src/config/check.ts';
import { resolveConfig } from '../../../src/config/load.ts';
import type { ConfigFile } from '../../../src/config/schema.ts';

function resolve(config: ConfigFile) {
  return resolveConfig(checkConfig(config, 'test.json'), '/c/config/test.json');
}

test('a config that says nothing of a network leaves it to the machine', () => {
  expect(resolve({})).toMatchObject({ network: null, networkAllow: [], networkDeny: [] });
});

test('lists of both kinds of addresses are taken', () => {
  const lists = { network_allow: ['10.0.0.0/8'], network_deny: ['8.8.8.8', '2001:db8::/32'] };
  expect(resolve(lists)).toMatchObject({
    networkAllow: ['10.0.0.0/8'],
    networkDeny: ['8.8.8.8', '2001:db8::/32'],
  });
  expect(resolve({ ...lists, network: 'nat' }).network).toBe('nat');
});

test.each<[string, ConfigFile | Record<string, unknown>, RegExp]>([
  ['a network that there is not', { network: 'bridge' }, /network: .*"bridge"/],
  [
    'what is no range',
    { network_allow: ['10.0.0.0/8', '10.0.0.1/8'] },
    /network_allow\.1: .*10\.0\.0\.0\/8.*"10\.0\.0\.1\/8"/,
  ],
  ['a name', { network_deny: ['example.com'] }, /network_deny\.0: .*"example\.com"/],
  [
    'IPv6 that is to be open',
    { network_allow: ['2001:db8::/32'] },
    /network_allow: "2001:db8::\/32".*no IPv6/,
  ],
  [
    'loopback that is to be open',
    { network_allow: ['127.0.0.53'] },
    /"127\.0\.0\.53".*127\.0\.0\.0\/8 is never reached/,
  ],
  ['groups that are to be open', { network_allow: ['224.0.0.0/8'] }, /224\.0\.0\.0\/4 is never reached/],
  [
    'links of workers that are to be open',
    { network_allow: ['198.19.255.1'] },
    /198\.19\.255\.0\/24 is never reached/,
  ],
  [
    'lists with docker',
    { sandbox: 'docker', network: 'nat', network_deny: ['8.8.8.8'] },
    /network_deny cannot be kept with `"sandbox": "docker"`/,
  ],
  [
    'lists without a network',
    { network: 'none', network_allow: ['10.0.0.0/8'] },
    /network_allow cannot be kept with `"network": "none"`/,
  ],
  [
    'lists with the machine’s',
    { network: 'host', network_allow: ['10.0.0.0/8'], network_deny: ['8.8.8.8'] },
    /network_allow and network_deny cannot be kept with `"network": "host"`/,
  ],
])('%s is refused, and named', (_what, config, message) => {
  expect(() => resolve(config as ConfigFile)).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringMatching(message) }),
  );
});

test.each(['nat', 'none', 'host'] as const)('docker can be asked for the network %s', (network) => {
  expect(resolve({ sandbox: 'docker', network }).network).toBe(network);
});
