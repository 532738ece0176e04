import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { isStillThere, readProcess } from '../helpers/processes.ts';
import { CLI, call, startWorker, usePlace } from './run-admin.ts';

leavesNothing();
const place = usePlace();

const modeOf = (...parts: string[]) => statSync(place.path(...parts)).mode & 0o777;
const template = () => JSON.parse(place.read('c/config/template.json'));
const pid = () => Number(place.read('c/logs/registry.pid'));

function writeHandler(name: string, text: string): void {
  mkdirSync(place.path(name), { recursive: true });
  writeFileSync(place.path(name, 'lambda_func.py'), text);
}

test('a start that fails keeps nothing: no keys that nobody saw, and no address that the next start would take', async () => {
  await place.admin('new', '--cluster=c');
  const before = place.read('c/config/template.json');
  const { status, stdout, stderr } = await place.admin('registry', '--cluster=c', '--host=192.0.2.1');
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(
    /the registry did not start: nobody can listen on 192\.0\.2\.1, port 9000.*--host of `admin registry`/,
  );
  expect(place.read('c/config/template.json')).toBe(before);
  expect(existsSync(place.path('c/config/registry.json'))).toBe(false);
  expect(existsSync(place.path('c/logs/registry.pid'))).toBe(false);
});

test('`registry` starts one with new keys, which it shows once, fills the template, and says what to do next', async () => {
  const { status, stdout, stderr } = await place.admin('registry', '--cluster=c', '--port=0');
  expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining('admin upload') });
  const secret = /secret key {2}(\S{40})/.exec(stdout)?.[1] ?? 'none';
  expect(stdout).toMatch(
    /^registry {2}http:\/\/localhost:\d+ {2}pid \d+ {2}log c\/logs\/registry.out\naccess key/,
  );
  expect(template()).toMatchObject({
    registry: 'remote',
    registry_server: expect.stringMatching(/^localhost:\d+$/),
    registry_access_key: /access key {2}(OL\S+)/.exec(stdout)?.[1],
    registry_secret_key: secret,
  });
  expect([modeOf('c/config/template.json'), modeOf('c/config/registry.json')]).toEqual([0o600, 0o600]);
  expect(place.read('c/logs/registry.out')).not.toContain(secret);
  expect(readFileSync(`/proc/${pid()}/cmdline`, 'utf8')).not.toContain(secret);
  expect(readFileSync(`/proc/${pid()}/environ`, 'utf8')).not.toContain(secret);
});

test('`status` shows it, and a second one is refused', async () => {
  const shown = await place.admin('status', '--cluster=c');
  expect(shown).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/Registry:\n {2}http:\S+ => ready \[pid \d+\]\n/),
  });
  const { stdout } = await place.admin('status', '--cluster=c', '--json');
  expect(JSON.parse(stdout).clusters[0].registry).toMatchObject({ pid: pid(), error: null });
  const second = await place.admin('registry', '--cluster=c');
  expect(second).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/already runs \(pid \d+\).*admin kill/),
  });
});

test('its port is refused to the registry of another cluster, which is told whose it is', async () => {
  await place.admin('new', '--cluster=other');
  const { port } = JSON.parse(place.read('c/config/registry.json'));
  const { status, stderr } = await place.admin('registry', '--cluster=other', `--port=${port}`);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringMatching(
      /is taken by the OpenLambda registry of cluster \S+\/c \(pid \d+\): choose/,
    ),
  });
});

test('what is uploaded is served by a worker; another version after a while; what is removed is gone', async () => {
  writeHandler('hello', 'def handler(event):\n    return f\'Hello, {event["name"]}!\'\n');
  const upload = ['upload', '--cluster=c', '--handler=hello', '--file=hello'];
  expect(await place.admin(...upload)).toMatchObject({ status: 0 });
  await place.admin('setconf', '--cluster=c', '{"registry_check_ms": 50}');
  const port = await startWorker(place);
  expect(modeOf('c/config/worker-0.json')).toBe(0o600);
  expect(await call(port, 'hello', { name: 'Alice' })).toEqual({ status: 200, body: '"Hello, Alice!"' });
  writeHandler('hello', 'def handler(event):\n    return 2\n');
  await place.admin(...upload);
  await until('new code', async () => (await call(port, 'hello', {})).body === '2');
  expect((await place.admin('ls', '--cluster=c')).stdout).toContain('hello');
  await place.admin('rm', '--cluster=c', '--handler=hello');
  await until('its end', async () => (await call(port, 'hello', {})).status === 404);
  expect((await call(port, 'hello', {})).body).toContain('admin upload --handler=hello');
});

test('while the registry is away, what was pulled goes on, and what was not is 503', async () => {
  writeHandler('kept', 'def handler(event):\n    return event\n');
  for (const name of ['kept', 'away'])
    await place.admin('upload', '--cluster=c', `--handler=${name}`, '--file=kept');
  const { stdout } = await place.admin('status', '--cluster=c', '--json');
  const { url } = JSON.parse(stdout).clusters[0].workers[0];
  const { port } = new URL(url);
  expect(await call(port, 'kept', 1)).toEqual({ status: 200, body: '1' });
  process.kill(pid(), 'SIGKILL');
  const status = await place.admin('status', '--cluster=c');
  expect(status).toMatchObject({
    status: 1,
    stdout: expect.stringContaining('it has ended: see c/logs/registry.out'),
  });
  for (let count = 0; count < 5; count++)
    expect(await call(port, 'kept', count)).toMatchObject({ status: 200 });
  const answer = await call(port, 'away', 1);
  expect(answer).toMatchObject({
    status: 503,
    body: expect.stringMatching(/ERR_REGISTRY.*cannot be reached/),
  });
});

test('the next start takes the same port and keys, and finds what was there', async () => {
  const before = template();
  expect(await place.admin('registry', '--cluster=c')).toMatchObject({
    status: 0,
    stdout: expect.not.stringContaining('secret'),
  });
  expect(template()).toEqual(before);
  expect((await place.admin('ls', '--cluster=c')).stdout).toContain('kept');
});

test('`kill` ends it, with the workers', async () => {
  const registry = readProcess(pid());
  const { stdout } = await place.admin('kill', '--cluster=c');
  expect(stdout).toMatch(/worker-0 {2}pid \d+ {2}ended\nregistry {2}pid \d+ {2}ended\n/);
  expect([
    registry === null || isStillThere(registry),
    existsSync(place.path('c/logs/registry.pid')),
  ]).toEqual([false, false]);
});

test('in the foreground it serves until it is told to end; keys come from the environment, too', async () => {
  const child = spawn(process.execPath, [CLI, 'registry', '--foreground', '--port=0'], {
    cwd: place.path('c'),
    env: {
      ...process.env,
      OL_REGISTRY_ACCESS_KEY: 'from-the-environment',
      OL_REGISTRY_SECRET_KEY: 'so-is-this',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  let log = '';
  child.stdout.on('data', (data) => {
    log += data;
  });
  await until('ready', () => log.includes('"ready"'));
  expect(template()).toMatchObject({
    registry_access_key: 'from-the-environment',
    registry_secret_key: 'so-is-this',
  });
  expect(log).not.toContain('so-is-this');
  expect((await place.admin('status', '--cluster=c')).status).toBe(0);
  child.kill('SIGTERM');
  expect(await exit).toEqual([0, null]);
});

test('keys of the environment are for this start and the next ones; they are shown nowhere', async () => {
  await place.admin('new', '--cluster=d');
  const keys = { OL_REGISTRY_ACCESS_KEY: 'mine', OL_REGISTRY_SECRET_KEY: 'my-own-secret' };
  onTestFinished(async () => {
    await place.admin('kill', '--cluster=d');
  });
  const started = await place.adminWith(keys, 'registry', '--cluster=d', '--port=0');
  expect(started).toMatchObject({ status: 0, stdout: expect.not.stringContaining('key') });
  const pid = Number(place.read('d/logs/registry.pid'));
  for (const told of ['cmdline', 'environ'])
    expect(readFileSync(`/proc/${pid}/${told}`, 'utf8')).not.toContain('my-own-secret');
  expect(place.read('d/logs/registry.out')).not.toContain('my-own-secret');
  expect(JSON.parse(place.read('d/config/registry.json'))).toMatchObject({ secret_key: 'my-own-secret' });
  await place.admin('kill', '--cluster=d');
  const again = await place.admin('registry', '--cluster=d');
  expect(again).toMatchObject({ status: 0, stdout: expect.not.stringContaining('key') });
  expect((await place.admin('ls', '--cluster=d')).status).toBe(0);
});

test('a mistake is said with what to do', async () => {
  const nowhere = await place.admin('registry');
  expect(nowhere).toMatchObject({ status: 2, stderr: expect.stringContaining('--cluster=my-cluster') });
  const empty = await place.admin('registry', '--cluster=');
  expect(empty).toMatchObject({ status: 2, stderr: expect.stringContaining('--cluster is empty') });
  const key = await place.admin('registry', '--cluster=c', '--secret-key=has a blank');
  expect(key).toMatchObject({ status: 1, stderr: expect.stringMatching(/--secret-key cannot be a key/) });
  expect(key.stderr).not.toContain('has a blank');
  const missing = await place.admin('registry', '--cluster=nowhere');
  expect(missing).toMatchObject({ status: 1, stderr: expect.stringContaining('admin new') });
});
