import { cgroup } from './cgroup/life.ts';
import { pause } from './cgroup/pause.ts';
import { cold } from './end-to-end/cold.ts';
import { density } from './end-to-end/density.ts';
import { engines } from './end-to-end/engines.ts';
import { idleGaps } from './end-to-end/idle-gaps.ts';
import { imported } from './end-to-end/imported.ts';
import { memory } from './end-to-end/memory.ts';
import { neighbours } from './end-to-end/neighbours.ts';
import { packages } from './end-to-end/packages.ts';
import { starts } from './end-to-end/starts.ts';
import { throughput } from './end-to-end/throughput.ts';
import { warm } from './end-to-end/warm.ts';
import { workload } from './end-to-end/workload.ts';
import type { Bench } from './measure/bench.ts';

/** All benchmarks, in the order in which they run. */
export const BENCHES: readonly Bench[] = [
  cold,
  idleGaps,
  warm,
  throughput,
  neighbours,
  starts,
  memory,
  packages,
  imported,
  workload,
  pause,
  cgroup,
  density,
  engines,
];
