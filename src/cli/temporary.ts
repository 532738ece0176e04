import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Does `work` with a new directory in `parent`, which is gone afterwards, also where the command is interrupted. */
export async function withTemporaryDir<T>(parent: string, work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(parent, '.ol-admin-'));
  const remove = () => rmSync(dir, { recursive: true, force: true });
  const handlers = Object.entries(SIGNALS).map(([signal, status]) => {
    const stop = () => {
      remove();
      process.exit(status);
    };
    process.once(signal, stop);
    return () => process.off(signal, stop);
  });
  try {
    return await work(dir);
  } finally {
    for (const off of handlers) off();
    remove();
  }
}
