import { Registry, Histogram as Theirs } from '@prometheus-io/client';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Histogram } from '../../../src/telemetry/histogram.ts';

const BOUNDS = [0.0005, 0.001, 0.25, 1, 30];
const NAME = 'some_seconds';
const HELP = 'Some: of all kinds.';
const KINDS = ['a', 'b', 'c'];

/** On the bounds, between and beyond them. */
const value = fc.oneof(fc.constantFrom(0, ...BOUNDS), fc.double({ min: 0, max: 100, noNaN: true }));
const observation = fc.record({ kind: fc.constantFrom(...KINDS), value });

test('a scrape is told the same as by the client library, whatever was observed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(observation, { maxLength: 30 }), async (observations) => {
      const registers = [new Registry()];
      const labelNames = ['phase', 'kind'];
      const theirs = new Theirs({ name: NAME, help: HELP, buckets: BOUNDS, labelNames, registers });
      const ours = new Histogram({ name: NAME, help: HELP, bounds: BOUNDS });
      const series = new Map(KINDS.map((kind) => [kind, ours.series({ phase: 'x', kind })]));
      for (const one of observations) {
        theirs.labels({ phase: 'x', kind: one.kind }).observe(one.value);
        series.get(one.kind)?.observe(one.value);
      }
      const [expected] = await Promise.all(registers.map((one) => one.metrics()));
      // Series come in the order in which they were made, and not in that of their first values.
      expect(ours.text().split('\n').toSorted()).toEqual(expected?.trimEnd().split('\n').toSorted());
    }),
  );
});

test('a series that nothing was observed for is not there', () => {
  const ours = new Histogram({ name: NAME, help: HELP, bounds: BOUNDS });
  ours.series({ kind: 'never' });
  expect(ours.text()).toBe(`# HELP ${NAME} ${HELP}\n# TYPE ${NAME} histogram`);
});
