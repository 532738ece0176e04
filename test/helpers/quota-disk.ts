import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { enforcedQuotas, type QuotaKind } from '../../src/linux/quota.ts';
import { makeTestDir, removeEmptyRoot } from './test-root.ts';

const SIZE_BYTES = 256 * 1024 * 1024;
const FORMAT = {
  user: ['-O', 'quota', '-E', 'nodiscard,quotatype=usrquota'],
  project: ['-O', 'quota,project', '-E', 'nodiscard,quotatype=prjquota'],
} as const;
const OPTION = { user: 'usrquota', project: 'prjquota' } as const;

/** The quotas that hold where tests make their files. */
export function quotasOfTests(): QuotaKind[] {
  const fd = openSync(tmpdir(), 'r');
  try {
    return enforcedQuotas(fd);
  } finally {
    closeSync(fd);
  }
}

/** Why no file system with quotas can be made here; null where it can. */
export function whyNoQuotas(): string | null {
  const dir = mkdtempSync(join(tmpdir(), 'ol-quota-'));
  try {
    const disk = mountDisk(dir, 'user');
    execFileSync('umount', [disk]);
    return null;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: Buffer };
    return `no ext4 with quotas can be mounted: ${stderr?.toString().split('\n')[0] || message}`;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** An ext4 of its own, in a file, with one kind of quotas. */
export class QuotaDisk implements AsyncDisposable {
  readonly path: string;
  readonly #dir: string;

  static async make(kind: QuotaKind): Promise<QuotaDisk> {
    const dir = await makeTestDir();
    return new QuotaDisk(dir, mountDisk(dir, kind));
  }

  private constructor(dir: string, path: string) {
    this.#dir = dir;
    this.path = path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    execFileSync('umount', [this.path]);
    rmSync(this.#dir, { recursive: true });
    await removeEmptyRoot();
  }
}

function mountDisk(dir: string, kind: QuotaKind): string {
  const [image, path] = [join(dir, 'image'), join(dir, 'disk')];
  writeFileSync(image, '');
  truncateSync(image, SIZE_BYTES);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', ...FORMAT[kind], image], { stdio: 'pipe' });
  mkdirSync(path);
  execFileSync('mount', ['-t', 'ext4', '-o', `loop,${OPTION[kind]}`, image, path], { stdio: 'pipe' });
  return path;
}
