import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { findNft } from '../../src/network/nft.ts';
import { placeOf, routerRules } from '../../src/network/rules.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { describeWithMachine } from '../helpers/test-machine.ts';

leavesNothing();

interface Found {
  /** The address that it has, and those that the router has heard of. */
  readonly honest: readonly [string, readonly string[]];
  readonly liar: readonly string[];
  readonly kept: readonly [number, number];
  readonly round: readonly [number, boolean, number];
  readonly first: readonly number[];
}

describeWithMachine('a link to the router', () => {
  let found: Found;
  beforeAll(() => {
    const { name, machineAddress, routerAddress } = placeOf(0);
    const settings = {
      link: name,
      machine_address: machineAddress,
      router_address: routerAddress,
      nft: findNft(),
      rules: routerRules({ allow: [], deny: [] }),
    };
    const program = join(import.meta.dirname, '../fixtures/router.py');
    const words = [join(import.meta.dirname, '../../runtime/python'), JSON.stringify(settings)];
    found = JSON.parse(
      execFileSync('/usr/bin/python3', ['-I', '-B', program, ...words], { encoding: 'utf8' }),
    );
  });

  test('carries what comes from its own address', () => {
    const [address, heard] = found.honest;
    expect(heard).toEqual([address]);
  });

  test('carries nothing from another address, though root sends it', () => {
    expect(found.liar).toEqual([]);
  });

  test('carries nothing when its process has ended, whoever keeps the namespace', () => {
    expect(found.kept).toEqual([1, 0]);
  });

  test('has a number that nobody has, also when all have been given out once', () => {
    expect(found.round).toEqual([1, true, 1]);
  });

  test('has a number far from those of the root zygotes before', () => {
    expect(found.first).toEqual([17, 17 + 2 ** 20, 17 + 15 * 2 ** 20, 35]);
  });
});
