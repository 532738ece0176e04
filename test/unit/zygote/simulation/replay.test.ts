import { expect, test } from 'vitest';
import {
  makePolicy,
  POLICY_NAMES,
  type PolicyName,
  usesBudget,
} from '../../../../src/zygote/simulation/policies.ts';
import { type Replayed, replay } from '../../../../src/zygote/simulation/replay.ts';
import { syntheticWorkload } from './synthetic.ts';

const workload = syntheticWorkload(300, 1);
const BUDGET_KB = 200_000;
const USUAL = { clients: 5, cores: 2, rounds: 1, seed: 1 };

function replayed(name: PolicyName, budgetKb = BUDGET_KB, options = USUAL): Replayed {
  return replay(workload, makePolicy(name, workload, budgetKb, null), budgetKb, options);
}

test.each(POLICY_NAMES)('%s answers every call, within the budget', (name) => {
  const result = replayed(name);
  expect(result).toMatchObject({ policy: name, requests: 300, budgetKb: BUDGET_KB });
  expect(result.peakKb).toBeLessThanOrEqual(BUDGET_KB);
  expect(result.p99Ms).toBeGreaterThanOrEqual(result.p50Ms);
  expect(result.hitsByDepth.reduce((sum, hits) => sum + hits, 0)).toBe(name === 'none' ? 0 : 300);
  expect(result.made - result.evicted).toBe(result.zygotes);
  expect(usesBudget(name) || result.peakKb === 0).toBe(true);
});

test('more zygotes are better: none, the root zygote, a learned tree, one that knew before', () => {
  const rates = (['none', 'root', 'learned', 'fitted'] as const).map(
    (name) => replayed(name).requestsPerSecond,
  );
  expect(rates).toEqual(rates.toSorted((a, b) => a - b));
  expect(new Set(rates).size).toBe(4);
});

test('more memory is no worse for a fitted tree', () => {
  const rates = [0, 20_000, 100_000, 500_000].map((kb) => replayed('fitted', kb).requestsPerSecond);
  expect(rates).toEqual(rates.toSorted((a, b) => a - b));
  expect(rates[0]).toBe(replayed('root').requestsPerSecond);
});

test('what was learned in the first round serves the second one', () => {
  const once = replayed('learned', 2_000_000);
  const twice = replayed('learned', 2_000_000, { ...USUAL, rounds: 2 });
  expect(twice.requests).toBe(600);
  expect(twice.requestsPerSecond).toBeGreaterThan(once.requestsPerSecond);
});

test('five clients on one core wait for each other, on five cores they do not', () => {
  const root = makePolicy('root', workload, 0, null);
  const crowded = replay(workload, root, 0, { ...USUAL, cores: 1 });
  const roomy = replay(workload, root, 0, { ...USUAL, cores: 5 });
  expect(crowded.requestsPerSecond).toBeLessThan(roomy.requestsPerSecond / 4);
  expect(crowded.p50Ms).toBeGreaterThan(roomy.p50Ms * 3);
});

test('a given tree is there from the start and stays as it is', () => {
  const tree = {
    packages: [],
    children: [{ packages: ['p0==1'], children: [{ packages: ['p1==1'], children: [] }] }],
  };
  const result = replay(workload, makePolicy('tree', workload, 0, tree), 0, USUAL);
  expect(result).toMatchObject({ zygotes: 2, made: 2, evicted: 0 });
  expect(result.hitsByDepth).toHaveLength(3);
});

test('the same seed has the same result, another one another order', () => {
  expect(replayed('learned')).toEqual(replayed('learned'));
  expect(replayed('learned', BUDGET_KB, { ...USUAL, seed: 2 })).not.toEqual(replayed('learned'));
});
