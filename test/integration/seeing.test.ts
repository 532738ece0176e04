import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import { ROOT } from '../helpers/checkout.ts';
import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { RawConnection } from '../helpers/raw-http.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

/** The samples of a scrape: `name{labels}` to value. */
async function scrape({ client }: TestWorker): Promise<Map<string, number>> {
  const { body } = await client.request('/metrics');
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.replace(/ \S+$/, ''), Number(line.replace(/^.* /, ''))]));
}

const phase = (kind: 'sum' | 'count', start: string, name: string) =>
  `openlambda_invocation_seconds_${kind}{phase="${name}",start="${start}"}`;

test('the metrics tell of starts, their phases, and what there is now', async () => {
  await using worker = await TestWorker.start({ pause_delay_ms: 5, spare_sandboxes: 1 });
  await worker.cluster.addFixture('sleep');
  for (let call = 0; call < 3; call++) await worker.result('sleep', { ms: 50 });
  await until('pause', async () => (await worker.sandbox('sleep')).state === 'paused');
  const samples = await scrape(worker);
  for (const [start, count] of [
    ['cold', 1],
    ['warm', 2],
  ] as const) {
    for (const name of ['wait', 'handler', 'exchange'])
      expect(samples.get(phase('count', start, name))).toBe(count);
    expect(samples.get(phase('sum', start, 'handler'))).toBeGreaterThanOrEqual(0.05 * count);
    expect(samples.get(phase('sum', start, 'exchange'))).toBeGreaterThan(
      samples.get(phase('sum', start, 'handler')) ?? 0,
    );
  }
  expect(samples.get(phase('count', 'cold', 'load'))).toBe(1);
  expect(samples.has(phase('count', 'warm', 'load'))).toBe(false);
  expect(samples.get('openlambda_queue_length')).toBe(0);
  const states = ['idle', 'paused', 'busy', 'starting'].map(
    (state) => `openlambda_sandboxes{state="${state}"}`,
  );
  expect(states.map((name) => samples.get(name))).toEqual([0, 1, 0, 0]);
  expect(samples.get('openlambda_sandbox_memory_bytes')).toBeGreaterThan(100_000);
  expect(samples.get('openlambda_sandboxes_ended_total{reason="evicted"}')).toBe(0);
});

test('evictions and errors are counted, whatever came of the request', async () => {
  await using worker = await TestWorker.start({ handler_cache_size: 0, spare_sandboxes: 0 });
  await worker.cluster.addFixture('echo');
  await worker.result('echo', 1);
  await worker.post('echo', '{');
  await worker.call('nobody');
  await worker.client.request('/nowhere');
  await worker.client.request('/status', { method: 'POST' });
  using broken = await RawConnection.open(worker.running.port);
  broken.send('nonsense\r\n\r\n');
  const count = (code: keyof typeof ERRORS) => `openlambda_errors_total{code="${code}"}`;
  await until('count', async () => (await scrape(worker)).get(count('ERR_BAD_REQUEST')) === 1);
  const samples = await scrape(worker);
  for (const code of ['ERR_BAD_JSON', 'ERR_NO_FUNCTION', 'ERR_NO_ROUTE', 'ERR_BAD_METHOD'] as const)
    expect(samples.get(count(code)), code).toBe(1);
  expect(samples.get('openlambda_sandboxes_ended_total{reason="evicted"}')).toBe(1);
});

test('no label has a value that somebody outside can make up, and the document has every metric', async () => {
  await using worker = await TestWorker.start({ spare_sandboxes: 0 });
  for (const name of ['made-up', 'other']) await worker.call(name);
  await worker.client.request('/made-up');
  const samples = [...(await scrape(worker)).keys()];
  expect(samples.filter((name) => name.includes('made-up'))).toEqual([]);
  const codes = samples.flatMap((name) => /code="(\w+)"/.exec(name)?.[1] ?? []);
  expect(codes.filter((code) => !(code in ERRORS))).toEqual([]);
  const document = await readFile(join(ROOT, 'docs/metrics.md'), 'utf8');
  const names = new Set(samples.map((name) => name.replace(/\{.*/, '').replace(/_(bucket|sum|count)$/, '')));
  expect([...names].filter((name) => !document.includes(`\`${name}\``))).toEqual([]);
});

test('`timing` and `benchmark_log` get a line for each step of each request', async () => {
  await using lines = await TestWorker.start({ timing: true });
  const file = join(lines.cluster.paths.root, 'benchmark.log');
  await writeFile(file, 'what was there: 1 us\n');
  await using worker = await TestWorker.start(
    { benchmark_log: file, worker_dir: join(file, '../second') },
    lines.cluster,
  );
  await worker.cluster.addFixture('echo');
  for (let call = 0; call < 3; call++) {
    await lines.result('echo', call);
    await worker.result('echo', call);
  }
  const steps = ['scratch', 'mount', 'send', 'wait', 'exchange'].map((step) => `cold:${step}`);
  const expected = [...steps, 'sandbox:wake', 'sandbox:attach', 'sandbox:drop', 'warm:wait', 'warm:exchange'];
  const written = await until('last step', async () => {
    const text = await readFile(file, 'utf8');
    return text.includes('sandbox:drop') ? text.trimEnd().split('\n') : null;
  });
  expect(written.shift()).toBe('what was there: 1 us');
  expect(written.filter((line) => !/^[a-z]+:[a-z]+: \d+ us$/.test(line))).toEqual([]);
  const count = (step: string) => written.filter((line) => line.startsWith(`${step}: `)).length;
  expect(expected.map(count)).toEqual(expected.map((step) => (step.startsWith('warm') ? 2 : 1)));
  const logged = lines.log.filter(({ msg }) => msg === 'timing');
  expect(new Set(logged.map(({ step }) => step))).toEqual(new Set(expected));
  expect(logged.filter(({ us }) => !Number.isInteger(us))).toEqual([]);
});

test('a step that cannot be written fails its request, and not the worker', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'openlambda-steps-'));
  using _dir = { [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
  const file = join(dir, 'steps');
  spawnSync('mkfifo', [file]);
  const reader = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  await using worker = await TestWorker.start({ benchmark_log: file, spare_sandboxes: 1 });
  await worker.cluster.addFixture('echo');
  expect(await worker.result('echo', 1)).toBe(1);
  closeSync(reader);
  expectError(await worker.call('echo', 1), 'ERR_INTERNAL');
  expect((await worker.client.request('/status')).body).toBe('ready\n');
});

/** `npm run bench -- <argv>`, without npm. */
function bench(...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['bench/run.ts', ...argv], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test('`bench --list` names the benches, `--json` gives data, and a wrong name is told with the nearest one', () => {
  const { status, stdout } = bench('--list');
  const names = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ')[0]);
  expect([status, names]).toEqual([0, expect.arrayContaining(['cold', 'warm', 'throughput', 'neighbours'])]);
  expect(bench('warn')).toEqual({
    status: 1,
    stdout: '',
    stderr: "bench: there is no bench 'warn': did you mean 'warm'? See --list.\n",
  });
  const data = bench('pause', '--json', '--no-write', '--samples=3');
  expect(data.status).toBe(0);
  const result = JSON.parse(data.stdout);
  expect(result).toMatchObject({ name: 'pause', samples: 3, notes: expect.any(Array) });
  expect(result.rows[0]).toEqual({
    what: expect.any(String),
    count: 3,
    p50: expect.any(Number),
    p99: expect.any(Number),
  });
});
