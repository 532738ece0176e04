import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Daemon } from '../../src/docker/client.ts';
import { describeWithDocker, TEST_IMAGE } from '../helpers/dockerd.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { asNobody } from '../helpers/nobody.ts';
import { CLI, run, usePlace, writeFunction } from './run-admin.ts';

leavesNothing();
const place = usePlace();
const BUILT = 'openlambda/built:1';
/** 50 with Debian's Python 3.11: 37, and 11 of compiled files, and 2 of pip. */
const MAX_IMAGE_BYTES = 52_000_000;
const STDLIB = join(import.meta.dirname, '../fixtures/stdlib.py');

const LEFT_OUT =
  /^(lib2to3|_?test|_ctypes_test|_xxtestfuzz|xxlimited|_?tkinter|turtle|turtledemo|idlelib|ensurepip|nis|pydoc_data)/;

/** What a command in a container of the default image says. */
async function saidIn({ docker }: Daemon, command: string[]): Promise<string> {
  const made = await docker.createContainer({
    Image: TEST_IMAGE,
    Entrypoint: command.slice(0, 1),
    Cmd: command.slice(1),
    Tty: true, // so that what it says comes as it is
    HostConfig: { NetworkMode: 'none', ReadonlyRootfs: true },
  });
  await made.start();
  await made.wait();
  const said = await made.logs({ stdout: true, stderr: true });
  await made.remove();
  return said.toString();
}

describeWithDocker('images', (dockerd) => {
  /** `admin`, told of the daemon by the environment. */
  const admin = (...args: string[]) => {
    const env = `DOCKER_HOST=unix://${dockerd.current.socket}`;
    return run('env', [env, process.execPath, CLI, ...args], place.dir);
  };

  test('`admin image build` makes one from the machine, in which Python runs, and the library, and a shell', async () => {
    const { status, stdout, stderr } = await admin('image', 'build', `--tag=${BUILT}`);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`made the image ${BUILT}`);
    const { docker } = await dockerd.current.open();
    const made = await docker.createContainer({
      Image: BUILT,
      Entrypoint: ['python3', '-c'],
      Cmd: [
        'import ssl, sqlite3, ctypes, lzma, bz2, zoneinfo, subprocess, hashlib, uuid, decimal\n' +
          'zoneinfo.ZoneInfo("Europe/Berlin")\n' +
          'exit(subprocess.run("exit 7", shell=True).returncode)',
      ],
      HostConfig: { NetworkMode: 'none', ReadonlyRootfs: true },
    });
    await made.start();
    expect(await made.wait()).toMatchObject({ StatusCode: 7 });
    await made.remove();
    expect((await docker.getImage(BUILT).inspect()).Size).toBeLessThan(MAX_IMAGE_BYTES);
  });

  test('every module of the machine’s standard library is in it, but for those of tests, of a screen, of Python 2, and of NIS', async () => {
    const script = readFileSync(STDLIB, 'utf8');
    const { stdout } = await run('/usr/bin/python3', ['-I', '-c', script], place.dir);
    const said = await saidIn(await dockerd.current.open(), ['python3', '-Ic', script]);
    expect(said).toMatch(/^missing: /);
    const more = said
      .trim()
      .split(' ')
      .filter((name) => !stdout.trim().split(' ').includes(name));
    expect(more.filter((name) => !LEFT_OUT.test(name))).toEqual([]);
  });

  test('`admin new --base docker:<image>` dumps it, and sock runs on it', async () => {
    const { status, stderr } = await admin('new', '--cluster=c', `--base=docker:${TEST_IMAGE}`);
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(place.read('c', 'base', '.openlambda-base.json'))).toMatchObject({
      source: 'docker',
      binds: [],
    });
    expect(lstatSync(place.path('c', 'base')).mode & 0o7777).toBe(0o755);
    expect(existsSync(place.path('c', 'base', 'usr', 'lib'))).toBe(true);
    expect(await (await dockerd.current.open()).docker.listContainers({ all: true })).toEqual([]);
    // A machine's own programs are not in the image, so what is seen is the image's.
    writeFunction(
      place.path('c', 'registry'),
      'where',
      'import os, json, ssl\ndef handler(event): return [os.path.exists("/usr/bin/python3"), os.path.exists("/usr/bin/env")]\n',
    );
    expect((await admin('workers', '--cluster=c', '--port=0')).status).toBe(0);
    const { stdout } = await admin('status', '--cluster=c', '--json');
    const [{ workers }] = JSON.parse(stdout).clusters;
    const answer = await fetch(`${workers[0].url}/runLambda/where`, { method: 'POST', body: '{}' });
    expect([answer.status, await answer.json()]).toEqual([200, [true, false]]);
    expect((await admin('kill', '--cluster=c')).status).toBe(0);
  });

  test('an image that is not there is told, by `new`, and nothing is left', async () => {
    const { status, stderr } = await admin('new', '--cluster=d', '--base=docker:no/such');
    expect(status).toBe(1);
    expect(stderr).toMatch(/image no\/such cannot be used.*docker pull no\/such/);
    expect(readdirSync(place.dir).filter((name) => name.includes('d'))).toEqual([]);
  });

  test('`--dockerfile` builds as it says, with the directory that it is in', async () => {
    mkdirSync(place.path('context'));
    writeFileSync(place.path('context', 'note'), 'from the context');
    writeFileSync(
      place.path('context', 'Recipe'),
      `FROM ${TEST_IMAGE}\nCOPY note /note\nLABEL made=by-recipe\n`,
    );
    const file = join('context', 'Recipe');
    const { status, stderr } = await admin(
      'image',
      'build',
      '--tag=openlambda/recipe',
      `--dockerfile=${file}`,
    );
    expect([status, stderr]).toEqual([0, '']);
    const { docker } = await dockerd.current.open();
    const { Config } = await docker.getImage('openlambda/recipe').inspect();
    expect(Config.Labels).toMatchObject({ made: 'by-recipe' });
  });

  test.each([
    ['a Dockerfile that is not there', 'no-such', /ENOENT/],
    ['a step that fails', 'bad', /COPY failed|not found|no such file/i],
  ])('%s is told', async (_, file, said) => {
    writeFileSync(place.path('bad'), `FROM ${TEST_IMAGE}\nCOPY nothing /nothing\n`);
    const { status, stderr } = await admin('image', 'build', '--tag=x', `--dockerfile=${file}`);
    expect(status).toBe(1);
    expect(stderr).toMatch(said);
    expect(stderr).toContain('the Docker image x could not be made');
  });

  test('a user who may not use the daemon is told, and what to do', async () => {
    const env = `DOCKER_HOST=unix://${dockerd.current.socket}`;
    const [program, ...words] = asNobody('env', env, process.execPath, CLI, 'image', 'build');
    const { status, stderr } = await run(program, words, '/');
    expect(status).toBe(1);
    expect(stderr).toMatch(/may not be used by this user: run this as root/);
  });
});

test.each([
  [
    'no daemon',
    'unix:///nonexistent/docker.sock',
    /no Docker daemon answers at \/nonexistent\/docker\.sock \(ENOENT\)/,
  ],
  [
    'a daemon of another machine',
    'tcp://192.0.2.1:2375',
    /tcp:\/\/192\.0\.2\.1:2375.*name a socket of this one/,
  ],
])('%s is told', async (_, host, said) => {
  const { status, stderr } = await run(
    'env',
    [`DOCKER_HOST=${host}`, process.execPath, CLI, 'image', 'build'],
    place.dir,
  );
  expect([status, stderr]).toEqual([1, expect.stringMatching(said)]);
});

test('an action that there is not is a mistake of the command line', async () => {
  expect(await place.admin('image', 'burn')).toMatchObject({ status: 2 });
});
