import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { CodeLimits } from '../../../src/registry/limits.ts';
import { createLocalRegistry, type LocalRegistry } from '../../../src/registry/local.ts';
import { silentLog } from '../../../src/telemetry/log.ts';

export interface Setup {
  readonly root: string;
  readonly registryDir: string;
  readonly codeDir: string;
  readonly registry: LocalRegistry;
  /** The path of a file below the registry directory. */
  at(...path: string[]): string;
  /** Writes a file there, in place, with the directories that it needs. */
  put(path: string, content: string): Promise<void>;
  /** What is in `lambda_func.py`, or another file, of the version that a pull gives. */
  pulled(name: string, path?: string): Promise<string>;
}

/** Makes a registry below a temporary directory; both go when the test ends. */
export async function setUp(limits: Partial<CodeLimits> = {}, cacheMaxBytes = 2 ** 30): Promise<Setup> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'ol-registry-')));
  const registryDir = join(root, 'registry');
  const codeDir = join(root, 'code');
  await mkdir(registryDir);
  const registry = await createLocalRegistry({
    registryDir,
    codeDir,
    cacheMaxBytes,
    log: silentLog(),
    limits,
  });
  onTestFinished(async () => {
    await registry.close();
    await rm(root, { recursive: true });
  });
  const at = (...path: string[]) => join(registryDir, ...path);
  const put = async (path: string, content: string) => {
    if (!existsSync(dirname(at(path)))) await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), content);
  };
  const pulled = async (name: string, path = 'lambda_func.py') =>
    readFile(join((await registry.pull(name)).dir, path), 'utf8');
  return { root, registryDir, codeDir, registry, at, put, pulled };
}

/** The open descriptors of this process that belong to inotify or to something below a path. */
export function descriptorsOf(root: string): string[] {
  const targets = readdirSync('/proc/self/fd').map((fd) => readLink(`/proc/self/fd/${fd}`));
  return targets.filter((target) => target.startsWith(root) || target.includes('inotify'));
}

function readLink(link: string): string {
  try {
    return readlinkSync(link);
  } catch (error) {
    // The descriptor of the listing itself is closed by now.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}
