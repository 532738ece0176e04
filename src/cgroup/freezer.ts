import { stat } from 'node:fs/promises';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { OlError } from '../errors.ts';
import { isOutOfDescriptors } from '../linux/out-of-descriptors.ts';

/** Stops and ends all processes of one cgroup. */
export interface Freezer {
  /** The directory whose processes it is about. */
  readonly dir: string;
  /** Gives the order; `isFrozen` tells when it has been carried out. */
  freeze(): void;
  thaw(): void;
  isFrozen(): boolean;
  /** True where no process is left, or the cgroup is gone; zombies do not count. */
  isEmpty(): boolean;
  /** Kills all at once, frozen or not; false where the kernel cannot. */
  killAtOnce(): boolean;
  /** True where a frozen process only dies once it is thawed. */
  readonly mustThawToKill: boolean;
  close(): void;
}

/** Most processes have stopped by the first or second look; one that is throttled takes tens of milliseconds. */
const QUICK_LOOKS = 2;
const YIELDING_LOOKS = 10;
const LOOK_EVERY_MS = 1;
const PATIENCE_MS = 5_000;
/** Where nobody can look, for want of descriptors, it is as good as frozen: it has the order. */
const NO_LOOK_MS = 100;

/** Resolves when all are frozen, or at the next look once `isOver` says that it does not matter any more. */
export async function untilFrozen(freezer: Freezer, isOver: () => boolean): Promise<void> {
  let end = performance.now() + PATIENCE_MS;
  // The kernel could tell by a notification, but sends at most one in 10 ms.
  for (let looks = 0; ; looks++) {
    await untilLook(looks);
    if (isOver()) return;
    const isFrozen = look(freezer);
    if (isFrozen === true) return;
    if (isFrozen === null) {
      await sleep(NO_LOOK_MS);
      end = performance.now() + PATIENCE_MS;
    } else if (performance.now() > end) {
      throw new OlError('ERR_CGROUP_PAUSE', { path: freezer.dir, waitedMs: PATIENCE_MS });
    }
  }
}

/** Null where no descriptor is left to look with. */
function look(freezer: Freezer): boolean | null {
  try {
    return freezer.isFrozen();
  } catch (error) {
    if (!isOutOfDescriptors(error)) throw error;
    return null;
  }
}

async function untilLook(looks: number): Promise<void> {
  if (looks < QUICK_LOOKS) await nextTurn();
  // What is to stop has to run for that, perhaps on the core that we are on: so let another thread do something, and wait.
  else if (looks < YIELDING_LOOKS) await stat('/');
  else await sleep(LOOK_EVERY_MS);
}
