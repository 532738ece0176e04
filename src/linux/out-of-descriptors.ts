import { setTimeout as sleep } from 'node:timers/promises';
import { isOlError } from '../errors.ts';

/** True for the failure of a system call for want of descriptors: in this process, or on the machine. It will go by. */
export function isOutOfDescriptors(error: unknown): boolean {
  const errno = isOlError(error) ? error.fields.errno : (error as NodeJS.ErrnoException | null)?.code;
  return errno === 'EMFILE' || errno === 'ENFILE';
}

const AGAIN_MS = 200;
const TRIES = 300;

/** For what nobody waits for, and nobody else does: tries it again for a minute where there is no descriptor for it. */
export async function onceThereAreDescriptors(action: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await action();
    } catch (error) {
      if (!isOutOfDescriptors(error) || tries === TRIES) throw error;
      await sleep(AGAIN_MS);
    }
  }
}
