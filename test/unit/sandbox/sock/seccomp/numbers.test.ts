import { describe, expect, it } from 'vitest';
import { CALL_NUMBERS, words } from '../../../../../src/sandbox/sock/seccomp/numbers.ts';

describe.each(['x64', 'arm64'] as const)('the calls of %s', (arch) => {
  const numbers = CALL_NUMBERS[arch];

  it('have one number each, and one name a number', () => {
    expect(new Set(numbers.values()).size).toBe(numbers.size);
  });

  it('have the numbers that all machines share from 424 on, without a gap', () => {
    const shared = [...numbers.values()].filter((number) => number >= 424).toSorted((a, b) => a - b);
    expect(shared).toEqual(Array.from({ length: shared.length }, (_, index) => 424 + index));
    expect(numbers.get('pidfd_send_signal')).toBe(424);
    expect(numbers.get('clone3')).toBe(435);
    expect(numbers.get('file_setattr')).toBe(469);
  });
});

describe('the calls', () => {
  // From the kernel's own headers: rules, both ends of the tables, and calls that one machine lacks.
  it.each([
    ['read', 0, 63],
    ['openat', 257, 56],
    ['clone', 56, 220],
    ['ioctl', 16, 29],
    ['prctl', 157, 167],
    ['socket', 41, 198],
    ['socketpair', 53, 199],
    ['mknodat', 259, 33],
    ['mount', 165, 40],
    ['unshare', 272, 97],
    ['ptrace', 101, 117],
    ['seccomp', 317, 277],
    ['rseq', 334, 293],
    ['open', 2, undefined],
    ['uprobe', 336, undefined],
  ])('%s is %i on x64 and %o on arm64', (name, x64, arm64) => {
    expect(CALL_NUMBERS.x64.get(name)).toBe(x64);
    expect(CALL_NUMBERS.arm64.get(name)).toBe(arm64);
  });

  it('are read from lines with any white space', () => {
    expect(words(' read\n  write openat ')).toEqual(['read', 'write', 'openat']);
  });
});
