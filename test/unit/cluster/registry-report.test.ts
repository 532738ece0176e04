import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { type ClusterPaths, clusterPaths } from '../../../src/cluster/paths.ts';
import { registryConfigText } from '../../../src/cluster/registry-config.ts';
import { registryReport } from '../../../src/cluster/registry-report.ts';
import { registryService } from '../../../src/cluster/service.ts';
import { useTempDir } from './temp-dir.ts';

const temp = useTempDir();
let paths: ClusterPaths;
beforeEach(() => {
  paths = clusterPaths(temp.dir);
  for (const dir of [paths.logs, paths.config]) mkdirSync(dir);
});

/** A process that looks like the registry of the cluster, with a pid file. */
async function startLookalike(): Promise<number> {
  const { args, pid: file } = registryService(paths);
  const child = spawn(
    '/usr/bin/python3',
    ['-c', 'import time; print(1, flush=True); time.sleep(600)', ...args],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  onTestFinished(async () => {
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  });
  await once(child.stdout, 'data');
  writeFileSync(file, `${child.pid}\n`);
  return Number(child.pid);
}

function writeConfig(port: number): void {
  const config = { host: 'localhost', port, accessKey: 'a', secretKey: 's' };
  writeFileSync(paths.registryConfig, registryConfigText(config));
}

test('nothing is told of a registry that nobody started', async () => {
  expect(await registryReport(paths)).toBe(null);
});

test('one that was started for the first time, and does not serve yet, is starting', async () => {
  const pid = await startLookalike();
  expect(await registryReport(paths)).toMatchObject({ pid, error: 'it is starting' });
});

test('one that runs is asked; what keeps it from an answer is told', async () => {
  const pid = await startLookalike();
  const server = createServer((_request, response) => response.writeHead(403).end());
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  writeConfig(port);
  expect(await registryReport(paths)).toMatchObject({ pid, url: `http://localhost:${port}`, error: null });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect(await registryReport(paths)).toMatchObject({ pid, error: 'ECONNREFUSED' });
});

test('one that has ended without being told to has ended', async () => {
  writeConfig(9000);
  writeFileSync(paths.registryPid, '4194305\n');
  expect(await registryReport(paths)).toMatchObject({ pid: null, error: 'it has ended' });
});
