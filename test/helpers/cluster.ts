import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createCluster } from '../../src/cluster/create.ts';
import type { ClusterPaths } from '../../src/cluster/paths.ts';
import type { ConfigFile } from '../../src/config/schema.ts';
import { BucketUpload } from './bucket-upload.ts';
import { CURRENT_CELL, type RunningCell } from './cell.ts';
import { handlerFiles } from './handler-files.ts';
import { until } from './poll.ts';
import { makeTestDir, removeEmptyRoot } from './test-root.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/functions');

/** Files of a function by their path; a text alone is `lambda_func.py`. */
export type FunctionFiles = string | Readonly<Record<string, string>>;

/**
 * A cluster in a temporary directory, whose workers are those of a cell of the matrix; functions come from where the cell says.
 * Disposing of it removes it, and fails where a sandbox left something there.
 */
export class TestCluster implements AsyncDisposable {
  readonly paths: ClusterPaths;
  /** What makes a worker one of the cell; the template has it, too. */
  readonly settings: ConfigFile;
  readonly #parent: string;
  readonly #upload: BucketUpload | null;

  static async create({ settings, server }: RunningCell = CURRENT_CELL): Promise<TestCluster> {
    const parent = await makeTestDir();
    const paths = await createCluster(join(parent, 'cluster'));
    const upload = server === null ? null : await BucketUpload.create(server, parent);
    const cluster = new TestCluster(paths, { parent, upload, settings });
    if (Object.keys(cluster.settings).length > 0) await cluster.configure(cluster.settings);
    return cluster;
  }

  private constructor(
    paths: ClusterPaths,
    parts: { readonly parent: string; readonly upload: BucketUpload | null; readonly settings: ConfigFile },
  ) {
    this.paths = paths;
    this.#parent = parts.parent;
    this.#upload = parts.upload;
    this.settings = { ...parts.settings, ...parts.upload?.settings };
  }

  /** Changes settings of the template, as `setconf` does. */
  async configure(settings: ConfigFile): Promise<void> {
    const template = JSON.parse(await readFile(this.paths.template, 'utf8'));
    await writeFile(this.paths.template, JSON.stringify({ ...template, ...settings }));
  }

  /** Writes files of a function in place, as an editor does; others that are there stay. */
  async writeFunction(name: string, files: FunctionFiles): Promise<void> {
    const all = typeof files === 'string' ? { 'lambda_func.py': files } : files;
    for (const [path, content] of Object.entries(all)) {
      const full = join(this.paths.registry, name, path);
      await mkdir(dirname(full), { recursive: true });
      await writeFile(full, content);
    }
    await this.upload(name);
  }

  /** Puts a function's directory where workers find it; for tests that change it by themselves. */
  async upload(name: string): Promise<void> {
    await this.#upload?.put(name, join(this.paths.registry, name));
  }

  /** Replaces `lambda_func.py` by rename, as an editor that saves with care does. */
  async replaceFunction(name: string, code: string): Promise<void> {
    const path = join(this.paths.registry, name, 'lambda_func.py');
    await writeFile(`${path}.new`, code);
    await rename(`${path}.new`, path);
    await this.upload(name);
  }

  /** Copies a function of `test/fixtures/functions` into the registry. */
  async addFixture(name: string, as: string = name): Promise<void> {
    await cp(join(FIXTURES, name), join(this.paths.registry, as), { recursive: true });
    await this.upload(as);
  }

  /** Removes a function that need not be there. */
  async removeFunctionIfThere(name: string): Promise<void> {
    if (existsSync(join(this.paths.registry, name))) await this.removeFunction(name);
  }

  async removeFunction(name: string): Promise<void> {
    await rm(join(this.paths.registry, name), { recursive: true });
    await this.#upload?.remove(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await until(
        'end of the scratch directories',
        async () => (await handlerFiles(this.paths)).length === 0,
      );
    } catch (cause) {
      const files = await handlerFiles(this.paths);
      throw new Error(`sandboxes left files: ${files.join(', ')}`, { cause });
    } finally {
      this.#upload?.close();
      await rm(this.#parent, { recursive: true });
      await removeEmptyRoot();
    }
  }
}
