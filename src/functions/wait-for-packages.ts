import { OlError } from '../errors.ts';
import { inTime } from '../in-time.ts';
import type { Lock } from '../packages/lock.ts';
import type { Packages } from '../packages/packages.ts';
import type { Code, Registry } from '../registry/registry.ts';

export interface PackageWait {
  readonly registry: Registry;
  readonly packages: Packages;
  readonly timeoutMs: number;
}

/**
 * The lock that is being made for code, which stays on the disk meanwhile. Installing takes as long as it takes; a request
 * waits no longer than for an answer, and is then told what it waited for (ERR_PACKAGES_WAIT).
 */
export async function waitForPackages(
  { registry, packages, timeoutMs }: PackageWait,
  code: Code,
  installing: Promise<Lock | null>,
): Promise<Lock | null> {
  const letGo = registry.retain(code);
  try {
    return await inTime(installing, timeoutMs, () => {
      const { requirements, phase } = packages.progress(code);
      const fields = { name: code.name, limitMs: timeoutMs, requirements: requirements.join(', '), phase };
      throw new OlError('ERR_PACKAGES_WAIT', fields);
    });
  } finally {
    letGo();
  }
}
