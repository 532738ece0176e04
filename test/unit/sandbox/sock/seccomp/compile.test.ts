import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileSeccomp } from '../../../../../src/sandbox/sock/seccomp/compile.ts';
import { type Arch, CALL_NUMBERS } from '../../../../../src/sandbox/sock/seccomp/numbers.ts';
import { PROFILE } from '../../../../../src/sandbox/sock/seccomp/profile.ts';
import { runFilter } from '../../../../helpers/bpf-interpreter.ts';
import {
  ALLOW,
  AUDIT_ARCH,
  expectedVerdict,
  failing,
  KILL_PROCESS,
} from '../../../../helpers/seccomp-oracle.ts';

const ARCHES: readonly Arch[] = ['x64', 'arm64'];

describe.each(ARCHES)('the filter for %s', (arch) => {
  const program = compileSeccomp(arch);
  const verdict = (nr: number, args: readonly bigint[] = []) =>
    runFilter(program, { nr, arch: AUDIT_ARCH[arch], args });

  it('is whole instructions, and no more than the kernel takes', () => {
    expect(program.length % 8).toBe(0);
    expect(program.length / 8).toBeLessThanOrEqual(4096);
  });

  it('is the same at every call', () => {
    expect(compileSeccomp(arch)).toEqual(program);
  });

  it('kills a process that calls by another convention', () => {
    const others = Object.values(AUDIT_ARCH).filter((other) => other !== AUDIT_ARCH[arch]);
    for (const other of others) {
      for (const nr of CALL_NUMBERS[arch].values()) {
        expect(runFilter(program, { nr, arch: other })).toBe(KILL_PROCESS);
      }
    }
  });

  it('answers ENOSYS for numbers that no kernel of its time has', () => {
    const highest = Math.max(...CALL_NUMBERS[arch].values());
    for (const nr of [highest + 1, highest + 2, 1000, 0x3fffffff]) expect(verdict(nr)).toBe(failing(38));
  });

  it('says what the profile says, for each number and the arguments that rules look at', () => {
    const interesting = [...PROFILE.rules.values()].flatMap((rule) => rule.allowIf.flat()).flatMap(valuesOf);
    for (let nr = 0; nr <= 600; nr += 1) {
      for (const value of new Set([0, 0x80, 0xffffffff, ...interesting])) {
        const args = [value, value, value].map(BigInt);
        expect([nr, value, verdict(nr, args)]).toEqual([nr, value, expectedVerdict(PROFILE, arch, nr, args)]);
      }
    }
  });

  it('says what the profile says, for any number and any arguments', () => {
    const ruled = [...PROFILE.rules.keys()].flatMap((name) => CALL_NUMBERS[arch].get(name) ?? []);
    const nr = fc.oneof(fc.integer({ min: 0, max: 600 }), fc.constantFrom(...ruled), fc.nat(0xffffffff));
    const small = fc.bigInt({ min: 0n, max: 70n });
    const arg = fc.oneof(small, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
    fc.assert(
      fc.property(nr, fc.array(arg, { minLength: 6, maxLength: 6 }), (number, args) => {
        expect(verdict(number, args)).toBe(expectedVerdict(PROFILE, arch, number, args));
      }),
      { numRuns: 3000 },
    );
  });
});

describe('the filter for x64', () => {
  it.each([
    0x40000000, 0x40000001, 0x40000203, 0xffffffff,
  ])('kills a process that calls x32 number %i', (nr) => {
    expect(runFilter(compileSeccomp('x64'), { nr, arch: AUDIT_ARCH.x64 })).toBe(KILL_PROCESS);
  });

  it('lets a process write', () => {
    expect(runFilter(compileSeccomp('x64'), { nr: 1, arch: AUDIT_ARCH.x64 })).toBe(ALLOW);
  });
});

type Values = { oneOf: readonly number[] } | { noneOf: readonly number[] };

function valuesOf(check: Values): readonly number[] {
  return 'oneOf' in check ? check.oneOf : check.noneOf;
}
