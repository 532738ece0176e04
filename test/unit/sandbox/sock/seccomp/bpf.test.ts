import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isOlError } from '../../../../../src/errors.ts';
import { assemble, type BpfNode } from '../../../../../src/sandbox/sock/seccomp/bpf.ts';
import { dispatch } from '../../../../../src/sandbox/sock/seccomp/dispatch.ts';
import { runFilter } from '../../../../helpers/bpf-interpreter.ts';

const done = (value: number): BpfNode => ({ kind: 'return', value });
const onNumber = (next: BpfNode): BpfNode => ({ kind: 'load', offset: 0, next });
const run = (program: Buffer, nr: number) => runFilter(program, { nr, arch: 0 });

/** Number i leads to return 1000 + i, by `length` tests one after another. */
function chain(length: number): BpfNode {
  const tests = Array.from({ length }, (_, index) => index);
  return tests.reduceRight<BpfNode>(
    (no, value) => ({ kind: 'test', test: 'eq', value, yes: done(1000 + value), no }),
    done(1),
  );
}

describe('assembling BPF', () => {
  it('writes 8 bytes an instruction, little endian', () => {
    expect(assemble(done(0x7fff0000))).toEqual(Buffer.from([0x06, 0, 0, 0, 0, 0, 0xff, 0x7f]));
  });

  it('writes a shared return once', () => {
    const program = assemble({ kind: 'test', test: 'ge', value: 5, yes: done(7), no: done(7) });
    expect(program.length / 8).toBe(2);
  });

  it.each([1, 100, 127, 128, 129, 254, 255, 256, 257, 300, 1000])('reaches over %i tests', (length) => {
    const program = assemble(onNumber(chain(length)));
    for (let nr = 0; nr < length; nr += 1) expect(run(program, nr)).toBe(1000 + nr);
    expect(run(program, length)).toBe(1);
  });

  it('follows a load to a node that others share, however far it is', () => {
    const shared = onNumber(chain(300));
    const far: BpfNode = { kind: 'test', test: 'eq', value: 9, yes: shared, no: onNumber(chain(280)) };
    const program = assemble(onNumber({ kind: 'test', test: 'ge', value: 500, yes: shared, no: far }));
    expect([9, 279, 290, 299, 501].map((nr) => run(program, nr))).toEqual([1009, 1279, 1, 1, 1]);
  });

  it('masks what it compares', () => {
    const program = assemble(
      onNumber({
        kind: 'and',
        mask: 0xf0000000,
        next: { kind: 'test', test: 'eq', value: 0xf0000000, yes: done(1), no: done(2) },
      }),
    );
    expect([0xf1234567, 0x71234567].map((nr) => run(program, nr))).toEqual([1, 2]);
  });

  it('refuses a program that the kernel would not take', () => {
    expect(() => assemble(onNumber(chain(3000)))).toThrow(
      expect.toSatisfy((error) => isOlError(error, 'ERR_INTERNAL')),
    );
  });
});

describe('dispatching on ranges of numbers', () => {
  it('finds the range of any number, for any ranges', () => {
    const verdicts = [1, 2, 3, 4].map(done);
    const ranges = fc.array(fc.record({ width: fc.integer({ min: 1, max: 4 }), pick: fc.nat(3) }), {
      minLength: 1,
      maxLength: 300,
    });
    fc.assert(
      fc.property(ranges, (picks) => {
        const numbers = picks.flatMap(({ width, pick }) => Array.from({ length: width }, () => pick));
        const program = assemble(
          onNumber(dispatch(numbers.map((pick, start) => ({ start, verdict: verdicts[pick] ?? done(0) })))),
        );
        expect(numbers.map((_, nr) => run(program, nr))).toEqual(numbers.map((pick) => pick + 1));
      }),
      { numRuns: 50 },
    );
  });

  it('asks once for a single number within a range', () => {
    const [usual, single] = [done(1), done(2)];
    const program = assemble(
      dispatch([
        { start: 0, verdict: usual },
        { start: 7, verdict: single },
        { start: 8, verdict: usual },
      ]),
    );
    expect(program.length / 8).toBe(3);
  });
});
