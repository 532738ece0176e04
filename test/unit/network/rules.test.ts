import { execFileSync } from 'node:child_process';
import { beforeEach, describe, expect, test } from 'vitest';
import { SLOTS } from '../../../src/cluster/claims.ts';
import { type Cidr, contains, parseCidr } from '../../../src/config/cidr.ts';
import { findNft } from '../../../src/network/nft.ts';
import {
  closedForwardChain,
  machineRules,
  type NetworkLists,
  networksIn,
  noMachineRules,
  placeOf,
  ROUTER_ADDRESS,
  routerRules,
  verdicts,
} from '../../../src/network/rules.ts';

const NONE: NetworkLists = { allow: [], deny: [] };

/** What becomes of a packet to this address: the first range that it is in says so. */
function verdictFor(address: string, lists: NetworkLists): 'accept' | 'deny' {
  const one = parseCidr(address) as Cidr;
  const found = verdicts(lists).find(({ ranges }) =>
    ranges.some((range) => contains(parseCidr(range) as Cidr, one)),
  );
  return found?.verdict ?? 'accept';
}

describe('what a sandbox may reach', () => {
  test.each([
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.1.1',
    '100.63.0.1',
    '100.128.0.1',
    '198.17.0.1',
    '198.20.0.1',
    '223.255.255.255',
  ])('%s is open by default', (address) => {
    expect(verdictFor(address, NONE)).toBe('accept');
  });

  test.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.19.255.1',
    '224.0.0.1',
    '239.1.1.1',
    '240.0.0.1',
    '255.255.255.255',
  ])('%s is closed by default', (address) => {
    expect(verdictFor(address, NONE)).toBe('deny');
  });

  test('the narrowest range counts, and of two the one that denies', () => {
    const lists = {
      allow: ['10.1.0.0/16', '10.1.2.3', '8.8.8.0/24', '192.168.0.0/16'],
      deny: ['10.1.2.0/24', '0.0.0.0/0', '8.8.8.0/24'],
    };
    expect(verdictFor('10.1.1.1', lists)).toBe('accept');
    expect(verdictFor('10.1.2.4', lists)).toBe('deny');
    expect(verdictFor('10.1.2.3', lists)).toBe('accept');
    expect(verdictFor('10.2.0.1', lists)).toBe('deny');
    expect(verdictFor('1.1.1.1', lists)).toBe('deny');
    expect(verdictFor('8.8.8.8', lists)).toBe('deny');
  });

  test('a range that is open by default is opened again by a narrower one', () => {
    expect(verdictFor('192.168.1.1', { allow: ['192.168.0.0/24'], deny: [] })).toBe('deny');
    expect(verdictFor('192.168.0.1', { allow: ['192.168.0.0/24'], deny: [] })).toBe('accept');
  });

  test.each([
    '127.0.0.1',
    '0.1.2.3',
    '198.19.255.2',
    '224.0.0.1',
    ROUTER_ADDRESS,
    '255.255.255.255',
  ])('%s is opened by no list', (address) => {
    expect(
      verdictFor(address, {
        allow: ['0.0.0.0/0', '126.0.0.0/7', '198.19.254.0/23', '224.0.0.0/3', '0.0.0.0/7', address],
        deny: [],
      }),
    ).toBe('deny');
  });
});

test('each slot has a name and addresses of its own, in what sandboxes never reach', () => {
  const places = Array.from({ length: SLOTS }, (_, slot) => placeOf(slot));
  const all = places.flatMap(({ name, machineAddress, routerAddress }) => [
    name,
    machineAddress,
    routerAddress,
  ]);
  expect(new Set(all).size).toBe(3 * SLOTS);
  for (const { name, machineAddress, routerAddress } of places) {
    expect(name.length).toBeLessThanOrEqual(15);
    for (const address of [machineAddress, routerAddress])
      expect(verdictFor(address, { allow: ['0.0.0.0/0'], deny: [] })).toBe('deny');
  }
});

test('the runtime knows the router by the same address', () => {
  const code =
    'import sys; sys.path.insert(0, sys.argv[1]); import interfaces; print(".".join(map(str, interfaces.ROUTER)))';
  const runtime = new URL('../../../runtime/python', import.meta.url).pathname;
  expect(
    execFileSync('/usr/bin/python3', ['-I', '-B', '-c', code, runtime], { encoding: 'utf8' }).trim(),
  ).toBe(ROUTER_ADDRESS);
});

test('the first chain that forwards nothing it does not know is found', () => {
  const open =
    'table ip nat {\n\tchain PREROUTING {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t}\n}\n';
  const docker =
    'table ip filter {\n\tchain DOCKER {\n\t}\n\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n';
  const input =
    'table inet fw {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n';
  expect(closedForwardChain('')).toBeNull();
  expect(closedForwardChain(open + input)).toBeNull();
  expect(closedForwardChain(open + input + docker)).toBe('ip filter FORWARD');
});

test('only tables of workers are taken for such', () => {
  const tables =
    'table ip filter\ntable inet openlambda-3\ntable ip openlambda-4\ntable inet openlambda-x\ntable inet openlambda-12\ntable inet my-openlambda-5\ntable inet openlambda-1234\n';
  expect(networksIn(tables)).toEqual(['openlambda-3', 'openlambda-12']);
});

describe('the rules', () => {
  const nft = findNft();
  beforeEach(({ skip }) =>
    skip(nft === null, 'nft is not installed here: `npm test` sees to it (setup/nft.mjs)'),
  );
  const check = (rules: string, ...more: string[]) =>
    execFileSync('unshare', ['--net', nft ?? '', ...more, '-f', '-'], { input: rules, encoding: 'utf8' });
  const lists = { allow: ['10.1.0.0/16', '1.2.3.4'], deny: ['0.0.0.0/0', '2001:db8::/32'] };

  test.each([
    ['of the router', routerRules(NONE)],
    ['of the router with lists', routerRules(lists)],
    ['of the machine', machineRules(placeOf(0))],
    ['of the machine, twice', machineRules(placeOf(SLOTS - 1)).repeat(2)],
    ['for none', noMachineRules('openlambda-7')],
  ])('%s are taken by the kernel', (_what, rules) => {
    expect(check(rules)).toBe('');
  });
});
