import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A bundle as `tar` makes it from these files. */
export function bundleOf(files: Readonly<Record<string, string>>): Buffer {
  const dir = mkdtempSync(join(tmpdir(), 'ol-bundle-'));
  try {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), content);
    }
    return execFileSync('tar', ['--create', '--gzip', '--directory', dir, '.']);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** A bundle with one file, `lambda_func.py`. */
export function bundleOfHandler(text: string): Buffer {
  return bundleOf({ 'lambda_func.py': text });
}
