import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { bundleOfHandler } from '../helpers/bundle.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { etagOf, startOddBucket } from '../helpers/odd-bucket.ts';
import { until } from '../helpers/poll.ts';
import { CLI, call, startWorker, usePlace } from './run-admin.ts';
import { describeStoreCommands } from './store-commands.ts';

leavesNothing();
const place = usePlace();
const { admin, adminWith, path } = place;
const template = () => JSON.parse(place.read('c/config/template.json'));
const SECRET = 'this-secret-is-wrong';

beforeAll(async () => {
  await admin('new', '--cluster=c');
  await admin('registry', '--cluster=c', '--port=0');
});

describeStoreCommands(place, /http:\/\/localhost:\d+\/registry$/m);

/** The commands, in the order of a bundle's life; the file is none that is there. */
const COMMANDS = [
  ['upload', '--handler=keyed', '--file=keyed.tar.gz'],
  ['ls'],
  ['download', '--handler=keyed', '--file=keyed-back.tar.gz'],
  ['rm', '--handler=keyed'],
];

describe('wrong keys', () => {
  beforeAll(() => writeFileSync(path('keyed.tar.gz'), bundleOfHandler('# keyed')));

  test.each(
    COMMANDS,
  )('%s is refused with a wrong secret, which nobody gets to see', async (command, ...rest) => {
    const before = readdirSync(place.dir).sort();
    const ran = await admin(command, '--cluster=c', ...rest, `--secret-key=${SECRET}`);
    expect(ran).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/the registry at http:\S+ cannot be used: .*set registry_secret_key\n$/),
    });
    const byEnvironment = await adminWith(
      { OL_REGISTRY_SECRET_KEY: SECRET },
      command,
      '--cluster=c',
      ...rest,
    );
    expect(byEnvironment).toEqual(ran);
    for (const secret of [SECRET, template().registry_secret_key]) expect(ran.stderr).not.toContain(secret);
    expect(readdirSync(place.dir).sort()).toEqual(before);
    expect(place.read('c/logs/registry.out')).not.toContain(SECRET);
  });

  test.each(COMMANDS)('%s is refused with a wrong access key', async (command, ...rest) => {
    expect(await admin(command, '--cluster=c', ...rest, '--access-key=nobody')).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/does not know the key: set registry_access_key\n$/),
    });
  });

  test('an empty one is a mistake in the command line', async () => {
    expect(await admin('ls', '--cluster=c', '--secret-key=')).toEqual({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(/^admin ls: --secret-key is empty: /),
    });
  });
});

describe('a command that is killed', () => {
  /** Runs a command on a bucket of its own, until it is killed. */
  async function setUp() {
    const bucket = await startOddBucket();
    onTestFinished(() => bucket.close());
    const env = {
      ...process.env,
      OL_REGISTRY_SERVER: bucket.url,
      OL_REGISTRY_ACCESS_KEY: 'a',
      OL_REGISTRY_SECRET_KEY: 's',
      TMPDIR: path('tmp'),
    };
    mkdirSync(path('tmp'), { recursive: true });
    const begin = (...args: string[]) => {
      const child = spawn(process.execPath, [CLI, ...args], { cwd: place.dir, env, stdio: 'ignore' });
      const exit = once(child, 'exit');
      onTestFinished(async () => {
        child.kill('SIGKILL');
        await exit;
      });
      return { child, exit };
    };
    return { bucket, env, begin };
  }
  const temporary = (dir: string) => readdirSync(path(dir)).filter((name) => name.startsWith('.ol-admin-'));

  test('an upload leaves nothing, as what it packs has no name', async () => {
    const { bucket, begin } = await setUp();
    bucket.answer(() => {}); // the bundle is packed, and is being sent
    mkdirSync(path('killed'));
    writeFileSync(path('killed/lambda_func.py'), '# killed');
    const { child, exit } = begin('upload', '--cluster=c', '--handler=killed', '--file=killed');
    await until('request', () => bucket.count() > 0);
    expect(readdirSync(path('tmp'))).toEqual([]);
    child.kill('SIGKILL');
    await exit;
    expect(readdirSync(path('tmp'))).toEqual([]);
    expect(readdirSync(path('killed'))).toEqual(['lambda_func.py']);
  });

  test('what a download leaves is removed by the next one there, and one that still runs is left alone', async () => {
    const { bucket, env, begin } = await setUp();
    const bundle = bundleOfHandler('# whole');
    bucket.objects.set('f', bundle);
    mkdirSync(path('downloads'));
    const finish: (() => void)[] = [];
    bucket.answer((_request, response) => {
      response.writeHead(200, { etag: etagOf(bundle), 'content-length': bundle.length });
      response.write(bundle.subarray(0, 20));
      finish.push(() => response.end(bundle.subarray(20)));
    });
    const killed = begin('download', '--cluster=c', '--handler=f', '--file=downloads/killed');
    const slow = begin('download', '--cluster=c', '--handler=f', '--file=downloads/slow');
    await until('half of both', () => finish.length === 2 && temporary('downloads').length === 2);
    killed.child.kill('SIGKILL');
    await killed.exit;
    expect(temporary('downloads').length).toBe(2);
    bucket.answer((_request, _response, well) => well());
    const next = await adminWith(env, 'download', '--cluster=c', '--handler=f', '--file=downloads/next');
    expect(next).toMatchObject({ status: 0 });
    expect(temporary('downloads').length).toBe(1);
    for (const each of finish) each();
    expect(await slow.exit).toEqual([0, null]);
    expect(readdirSync(path('downloads')).sort()).toEqual(['next', 'slow']);
    expect(place.read('downloads/slow/lambda_func.py')).toBe('# whole');
  });

  test('a download that is told to end removes what it has begun', async () => {
    const { bucket, begin } = await setUp();
    bucket.answer(() => {});
    mkdirSync(path('ended'));
    const { child, exit } = begin('download', '--cluster=c', '--handler=f', '--file=ended/f');
    await until('request', () => bucket.count() > 0);
    expect(temporary('ended').length).toBe(1);
    child.kill('SIGTERM');
    expect(await exit).toEqual([143, null]);
    expect(readdirSync(path('ended'))).toEqual([]);
  });
});

describe('while the server is away', () => {
  beforeAll(async () => {
    await admin('kill', '--cluster=c');
    await admin('registry', '--cluster=c');
  });

  test('a worker that was ended by `kill` starts again with the code that the one before had pulled', async () => {
    mkdirSync(path('kept'));
    writeFileSync(path('kept/lambda_func.py'), 'def handler(event):\n    return event\n');
    for (const name of ['kept', 'never-called'])
      await admin('upload', '--cluster=c', `--handler=${name}`, '--file=kept');
    const first = await startWorker(place);
    expect(await call(first, 'kept', 'before')).toEqual({ status: 200, body: '"before"' });
    await admin('kill', '--cluster=c');
    const second = await startWorker(place);
    expect(await call(second, 'kept', 'after')).toEqual({ status: 200, body: '"after"' });
    expect(await call(second, 'never-called', 1)).toMatchObject({
      status: 503,
      body: expect.stringContaining('ERR_REGISTRY'),
    });
    await admin('kill', '--cluster=c');
  });

  test.each(COMMANDS)('%s says so, and how to go on', async (command, ...rest) => {
    const before = readdirSync(place.dir).sort();
    expect(await admin(command, '--cluster=c', ...rest)).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /the registry at http:\S+ cannot be used: .*ECONNREFUSED.*start it, or set/,
      ),
    });
    expect(readdirSync(place.dir).sort()).toEqual(before);
  });
});
