import { expect, test } from 'vitest';
import { cpuQuotaUs, memoryBytes, pidsMax } from '../../../src/cgroup/bounds.ts';

const LIMITS = { memoryMb: 128, pids: 64, cpuPercent: 150 };
const NONE = { memoryMb: 0, pids: 0, cpuPercent: 0 };

test('limits are what the kernel counts in', () => {
  expect(memoryBytes(LIMITS)).toBe(134_217_728);
  expect(pidsMax(LIMITS)).toBe('64');
  expect(cpuQuotaUs(LIMITS)).toBe(150_000);
});

test('0 is no limit', () => {
  expect(memoryBytes(NONE)).toBe(null);
  expect(pidsMax(NONE)).toBe('max');
  expect(cpuQuotaUs(NONE)).toBe(null);
});
