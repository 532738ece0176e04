import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { chooseDriver } from './src/cgroup/choose.ts';
import { CgroupPool } from './src/cgroup/pool.ts';
import { readBase } from './src/cluster/base.ts';
import { claimSlot, UIDS_PER_WORKER, uidBase } from './src/cluster/claims.ts';
import { createCluster } from './src/cluster/create.ts';
import { clusterPaths, workerPaths } from './src/cluster/paths.ts';
import { SockEngine } from './src/sandbox/sock/engine.ts';
import { silentLog } from './src/telemetry/log.ts';

const root = await mkdtemp('/tmp/w/mexp/c-');
const paths = clusterPaths(join(root, 'cluster'));
await createCluster(join(root, 'cluster'), { base: 'host' } as never).catch((e: unknown) => { console.error(e); process.exit(1); });
const { dir, handlers, spares, importCache } = workerPaths(paths, 0);
for (const d of [handlers, spares, importCache]) await mkdir(d, { recursive: true });
const claim = await claimSlot({ cluster: paths.root, workerDir: dir, port: 0 });
const log = silentLog();
const driver = chooseDriver({ workerName: String(claim.slot), log });
const cgroups = new CgroupPool({ driver, size: 16, limits: { memoryMb: 256, pids: 128, cpuPercent: 100 }, log });
const engine = await SockEngine.start({
  base: { dir: paths.base, ...(await readBase(paths.base)) },
  packagesDir: paths.packages, handlersDir: handlers, sparesDir: spares,
  uids: { base: uidBase(claim.slot), count: UIDS_PER_WORKER }, importsDir: importCache,
  zygoteCgroup: (name) => { const g = driver.create(name); g.setLimits({ memoryMb: 1024, pids: 128, cpuPercent: 0 }); return g; },
  importTimeoutMs: 60_000, sandboxConfig: '{}', tmpMaxMb: 64,
  bounds: { memLimitMb: 256, memPoolMb: 4096, scratchMaxMb: 512, scratchMaxFiles: 10000 },
  fileMaxMb: 64, openFilesMax: 1024, cgroups, spares: 16, log, timing: null, onZygote: async () => {},
});
spawnSync('cp', ['-r', '/tmp/w/mexp/native', join(paths.packages, 'native')]);
const code = { name: 'pd', version: '0'.repeat(64), dir: join(root, 'code') };
await mkdir(code.dir);
await writeFile(join(code.dir, 'lambda_func.py'), process.env.NOPD ? 'def handler(e): return 1\n' :
 'import sys\nif "/packages/native" not in sys.path: sys.path.append("/packages/native")\nimport pandas as pd\ndef handler(e): return int(pd.Series([1,2,3]).sum())\n');
const zygote = await engine.importAhead({ parent: null, directories: ['/packages/native'], modules: ['pandas'] });
console.log('import', zygote.importMs, 'ms', zygote.memoryKb, 'kB');
const stats = (name: string, xs: number[]) => { xs.sort((a, b) => a - b); console.log(name, 'p50', xs[Math.floor(xs.length / 2)]!.toFixed(2), 'p99', xs[Math.floor(xs.length * 0.99)]!.toFixed(2), 'n', xs.length); };
async function run(name: string, make: () => Promise<any>, n: number, gap: number) {
  const total = [], made = [];
  for (let i = 0; i < n; i++) {
    const t = performance.now();
    const s = await make(); made.push(performance.now() - t);
    const { status, body } = await s.request({ body: Buffer.from('1'), timeoutMs: 30000, responseMaxBytes: 1e6 });
    total.push(performance.now() - t);
    if (status !== 200) console.log(body.toString());
    await s.destroy('done');
    await new Promise((r) => setTimeout(r, gap));
  }
  stats(name + ' total', total); stats(name + ' create', made);
}
await run('zygote gap 30', () => engine.createFrom(zygote, code), 200, 30);
await run('zygote gap 0', () => engine.createFrom(zygote, code), 200, 0);
await run('root', () => engine.create(code), 20, 30);
const simple = { name: 'simple', version: '1'.repeat(64), dir: join(root, 'simple') };
await mkdir(simple.dir); await writeFile(join(simple.dir, 'lambda_func.py'), 'def handler(e): return 1\n');
await run('root, no import', () => engine.create(simple), 200, 30);
// on demand: no spares
const fresh = [];
for (let i = 0; i < 30; i++) {
  (zygote as any).zygote; 
}
await engine.close(); await cgroups.close(); await driver.close(); await claim.release();
spawnSync('rm', ['-rf', root]);
