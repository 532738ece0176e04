import { readOnlyMount } from '../../linux/mounts.ts';
import type { Code } from '../../registry/registry.ts';
import type { Log } from '../../telemetry/log.ts';
import type { NamedBounds } from '../explain.ts';
import type { SandboxRequest, SandboxResponse } from '../sandbox.ts';
import { type ScratchLimits, scratchLimits } from '../scratch/scratch-usage.ts';
import type { Workshop, WorkshopBounds } from '../workshop.ts';
import { workshopWatchers } from '../workshop-watchers.ts';
import { SockSandbox } from './sock-sandbox.ts';
import type { Spare } from './spare.ts';

/** CPU time as much as there is: the cgroup's share, not a quota, keeps it from taking all. */
const NO_CPU_QUOTA = 0;

export interface WorkshopParts {
  readonly code: Code;
  readonly spare: Spare;
  readonly instance: number;
  readonly bounds: WorkshopBounds;
  readonly memPoolMb: number;
  /** Sets the bound of the kernel on the spare's scratch directory; false where there is none. */
  readonly widen: (limits: ScratchLimits) => boolean;
  readonly log: Log;
}

/** A spare that got the worker's own code, other bounds, and whose scratch directory somebody looks into when it is over. */
export class SockWorkshop implements Workshop {
  readonly #sandbox: SockSandbox;
  readonly #spare: Spare;
  readonly #taken = Promise.withResolvers<void>();

  /** Null where the spare has died. Throws ERR_SYSCALL, ERR_CGROUP. */
  static start(parts: WorkshopParts): SockWorkshop | null {
    const { code, spare, bounds, widen, log } = parts;
    const limits = scratchLimits(bounds.scratchMaxMb, bounds.scratchMaxFiles);
    spare.useUp();
    const { memLimitMb: memoryMb, procsMax: pids } = bounds;
    spare.process.cgroup?.setLimits({ memoryMb, pids, cpuPercent: NO_CPU_QUOTA });
    const isBoundByKernel = widen(limits);
    using mount = readOnlyMount(code.dir);
    const workshop = new SockWorkshop(parts);
    if (!spare.process.start('install', mount.fd)) {
      workshop.#taken.resolve();
      return null;
    }
    workshop.#sandbox.watchBy(...workshopWatchers({ procsMax: pids, limits, isBoundByKernel, log }));
    return workshop;
  }

  private constructor({ code, spare, instance, bounds, memPoolMb, log }: WorkshopParts) {
    const named: NamedBounds = { ...bounds, memPoolMb };
    this.#spare = spare;
    // It may end by itself, and somebody may want to look into it all the same.
    spare.keepUntil(this.#taken.promise);
    this.#sandbox = new SockSandbox({
      functionName: code.name,
      instance,
      origin: 'cold',
      spare,
      bounds: named,
      log,
    });
  }

  request(request: SandboxRequest): Promise<SandboxResponse> {
    return this.#sandbox.request(request);
  }

  abort(): void {
    void this.#sandbox.destroy('the worker ends');
  }

  async finish(take: (scratchDir: string) => Promise<void>): Promise<void> {
    void this.#sandbox.destroy('its work is done');
    // With its first process, all others have ended: nobody changes any more what is looked at now.
    await this.#spare.process.ended;
    await take(this.#spare.scratch.dir.path);
  }

  async close(): Promise<void> {
    void this.#sandbox.destroy('its work is done');
    this.#taken.resolve();
    await this.#sandbox.dead;
  }
}
