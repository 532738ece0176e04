import type { PackageCost } from '../../../../src/zygote/costs.ts';
import { randomFrom } from '../../../../src/zygote/simulation/random.ts';
import type { Workload, WorkloadFunction } from '../../../../src/zygote/workload-file.ts';

const PACKAGES = 60;

/**
 * A workload of functions that ask for some packages and for what those need, a few packages by far the most popular:
 * the shape of real ones.
 */
export function syntheticWorkload(functions: number, seed: number): Workload {
  const random = randomFrom(seed);
  const costs = new Map<string, PackageCost>();
  const needs: number[][] = [];
  for (let index = 0; index < PACKAGES; index++) {
    const selfMs = Math.round(random() ** 4 * 200);
    costs.set(key(index), {
      selfMs,
      selfKb: selfMs * 150,
      sharedMs: Math.round(random() * 30),
      sharedKb: 3000,
    });
    // A package needs some that are more popular than itself, and what those need.
    const direct = Array.from({ length: Math.floor(random() * 3) }, () => Math.floor(random() * index)).slice(
      0,
      index,
    );
    needs.push([...new Set(direct.flatMap((one) => [one, ...(needs[one] ?? [])]))]);
  }
  const list = Array.from({ length: functions }, (_, index): WorkloadFunction => {
    const asked = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
      Math.floor(random() ** 3 * PACKAGES),
    );
    const all = [...new Set(asked.flatMap((one) => [one, ...(needs[one] ?? [])]))].map(key).sort();
    return { name: `f${index}`, packages: new Set(all), loads: new Set(all), calls: 1 };
  });
  return { functions: list, costs, requires: () => [], imports: new Map(), unknown: [] };
}

function key(index: number): string {
  return `p${index}==1`;
}
