import { expect, test } from 'vitest';
import { closedForward } from '../../../src/network/legacy-firewall.ts';

const OPEN = ['-P INPUT DROP', '-P FORWARD ACCEPT', '-P OUTPUT ACCEPT'];
const DOCKER = ['-P INPUT ACCEPT', '-P FORWARD DROP', '-N DOCKER-USER', '-A FORWARD -j DOCKER-USER'];
const text = (...lines: readonly string[]) => `${lines.join('\n')}\n`;

test.each([
  ['a policy that drops', DOCKER],
  ['a last rule that rejects all', [...OPEN, '-A FORWARD -j REJECT --reject-with icmp-host-prohibited']],
])('%s is found', (_, lines) => {
  expect(closedForward(text(...lines))).toBe('iptables-legacy FORWARD');
});

test.each([
  ['what is open', OPEN],
  ['a rule that drops something', [...OPEN, '-A FORWARD -i eth7 -j DROP']],
  ['a firewall that has a rule for our links', [...DOCKER, '-A DOCKER-USER -i openlambda-+ -j ACCEPT']],
  ['no rules at all', []],
])('%s is none', (_, lines) => {
  expect(closedForward(text(...lines))).toBeNull();
});
