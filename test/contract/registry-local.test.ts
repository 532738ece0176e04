import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createLocalRegistry } from '../../src/registry/local.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { describeRegistryContract, type RegistryFixture } from './registry.contract.ts';

async function makeLocal(): Promise<RegistryFixture> {
  const root = await mkdtemp(join(tmpdir(), 'ol-registry-contract-'));
  const registryDir = join(root, 'registry');
  const registry = await createLocalRegistry({
    registryDir,
    codeDir: join(root, 'code'),
    cacheMaxBytes: 2 ** 30,
    log: silentLog(),
  });
  const remove = (name: string) => rm(join(registryDir, name), { recursive: true, force: true });
  return {
    registry,
    withoutHandlerFile: 'ERR_NO_FUNCTION',
    remove,
    async write(name, files) {
      await remove(name);
      for (const [path, content] of Object.entries(files)) {
        const full = join(registryDir, name, path);
        await mkdir(dirname(full), { recursive: true });
        await writeFile(full, content);
      }
    },
    async dispose() {
      await registry.close();
      await rm(root, { recursive: true });
    },
  };
}

describeRegistryContract('local', makeLocal);
