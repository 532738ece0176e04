import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Does nothing. */
export const NO_OP = `def handler(event):
    return "ok"
`;

/** Writes a function to a registry directory; `packages` is its packages.txt. */
export async function addFunction(
  registryDir: string,
  name: string,
  code: string,
  packages: string | null = null,
): Promise<void> {
  const dir = join(registryDir, name);
  await mkdir(dir, { recursive: true });
  if (packages !== null) await writeFile(join(dir, 'packages.txt'), packages);
  const file = join(dir, 'lambda_func.py');
  await writeFile(`${file}.new`, code);
  await rename(`${file}.new`, file);
}

/** Past the moment in which the worker would still wait for a second write to the same file. */
export async function settle(): Promise<void> {
  await sleep(25);
}
