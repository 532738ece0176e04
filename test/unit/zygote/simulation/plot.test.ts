import { expect, test } from 'vitest';
import { plot } from '../../../../src/zygote/simulation/plot.ts';
import type { Replayed } from '../../../../src/zygote/simulation/replay.ts';

function result(policy: string, peakKb: number, p50Ms: number): Replayed {
  const rest = {
    budgetKb: peakKb,
    requests: 1,
    requestsPerSecond: 1,
    hitsByDepth: [1],
    zygotes: 0,
    made: 0,
    evicted: 0,
  };
  return { policy, peakKb, p50Ms, p99Ms: p50Ms * 5, ...rest };
}

const RESULTS = [result('root', 0, 200), result('fitted', 1_048_576, 10), result('fitted', 65_536, 150)];

/** The coordinates of every dot, in the order of the drawing. */
function dots(svg: string): { x: number; y: number }[] {
  return [...svg.matchAll(/<circle cx="([\d.-]+)" cy="([\d.-]+)"/g)].map(([, x, y]) => ({
    x: Number(x),
    y: Number(y),
  }));
}

test('each policy with memory is a line from little to much, in both panels', () => {
  const svg = plot(RESULTS);
  const [little, much, ...second] = dots(svg);
  expect(second).toHaveLength(2);
  expect(much?.x).toBeGreaterThan(little?.x ?? 0);
  // Less latency is further down.
  expect(much?.y).toBeGreaterThan(little?.y ?? 0);
  expect(svg.match(/stroke-dasharray/g)).toHaveLength(2);
});

test('every element that is opened is closed, nothing is not a number, and the names are there', () => {
  const svg = plot(RESULTS);
  const opened = svg.match(/<(svg|g|title|text)\b/g)?.length;
  expect(svg.match(/<\/(svg|g|title|text)>/g)?.length).toBe(opened);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  expect(svg).toContain('>root</text>');
  expect(svg).toContain('>fitted</text>');
});

test('all of it is inside of the drawing', () => {
  for (const { x, y } of dots(plot(RESULTS))) {
    expect(x).toBeGreaterThanOrEqual(0);
    expect(x).toBeLessThanOrEqual(380);
    expect(y).toBeGreaterThanOrEqual(0);
    expect(y).toBeLessThanOrEqual(300);
  }
});

test('policies that take no memory, or none at all, can be drawn', () => {
  expect(plot([result('root', 0, 200)])).not.toMatch(/NaN|undefined|Infinity/);
  expect(plot([])).not.toMatch(/NaN|undefined|Infinity/);
});
