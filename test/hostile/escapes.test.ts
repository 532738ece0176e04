import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { type Report, reportOf } from './attack.ts';
import { ESCAPES } from './escapes.ts';
import { useStage } from './stage.ts';

leavesNothing();
const stage = useStage();

test.each(ESCAPES)('$title: nothing gets out', async ({ title, program, event, refused, got, untouched }) => {
  const { current } = stage;
  const before = untouched?.();
  await current.addProgram(`escapes/${program}`);
  await using prepared = await event?.(current);
  const report = await current.beside(title, () => reportOf(current, prepared?.event ?? {}));
  expect(wrongIn(report, refused, got ?? {})).toEqual({});
  expect(untouched?.()).toEqual(before);
});

/** What did not come out as it has to. */
function wrongIn(report: Report, refused: readonly string[], got: Readonly<Record<string, RegExp>>): Report {
  const isRight = ([what, came]: [string, string]) => {
    const [, expected] = Object.entries(got).find(([key]) => what.startsWith(key)) ?? [];
    return expected === undefined ? refused.includes(came) : expected.test(came);
  };
  return Object.fromEntries(Object.entries(report).filter((entry) => !isRight(entry)));
}
