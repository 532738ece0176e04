import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { run, usePlace } from './run-admin.ts';

leavesNothing();
const place = usePlace();
const { admin, read, path } = place;
const COMMANDS = [
  'new',
  'setconf',
  'upload',
  'ls',
  'download',
  'rm',
  'workers',
  'worker-exec',
  'status',
  'registry',
  'packages',
  'image',
  'fit',
  'simulate',
  'unit',
  'kill',
];

describe('help and usage', () => {
  test('the help names every command, on stdout when it is asked for and on stderr when nothing is', async () => {
    for (const args of [['help'], ['--help'], ['-help'], ['-h']]) {
      const { status, stdout, stderr } = await admin(...args);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      for (const name of COMMANDS) expect(stdout).toContain(`  ${name} `);
    }
    const { status, stdout, stderr } = await admin();
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('Usage: admin');
  });

  test.each(COMMANDS)('the help of %s has an example, and is the same in each way to ask', async (name) => {
    const { status, stdout } = await admin('help', name);
    expect(status).toBe(0);
    expect(stdout).toContain(`Example:\n  admin ${name} `);
    expect((await admin(name, '--help')).stdout).toBe(stdout);
    expect((await admin(name, '-help')).stdout).toBe(stdout);
  });

  test('the version is that of the package', async () => {
    for (const flag of ['--version', '-version', '-V']) {
      expect(await admin(flag)).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      });
    }
  });

  test.each([
    [['statuss'], 'admin: unknown command "statuss": did you mean "status"?\n'],
    [['help', 'kil'], 'admin: unknown command "kil": did you mean "kill"?\n'],
    [['xyzzyx'], 'admin: unknown command "xyzzyx": see `admin help`\n'],
    [['new', '-clustre', 'x'], "admin new: unknown option '--clustre': did you mean --cluster?\n"],
    [
      ['workers', '--num-worker=2'],
      "admin workers: unknown option '--num-worker=2': did you mean --num-workers?\n",
    ],
    [['status', '--zyx'], "admin status: unknown option '--zyx': see `admin help status`\n"],
    [['--zyx'], "admin: unknown option '--zyx': see `admin help`\n"],
    [
      ['setconf', '--cluster=c'],
      "admin setconf: missing required argument 'json': see `admin help setconf`\n",
    ],
    [['new', 'c'], expect.stringContaining('A cluster is named with --cluster: see `admin help new`')],
    [['workers', '--cluster=c', '--port=70000'], expect.stringContaining('from 0 to 65535')],
    [['workers', '--cluster=c', '--num-workers=0'], expect.stringContaining('from 1 to')],
    [['new', '--cluster'], expect.stringContaining('argument missing')],
    [['new', '--cluster='], expect.stringContaining('--cluster is empty')],
    [['worker-exec'], expect.stringContaining('--config is missing')],
    ...['new', 'workers', 'kill'].map((name) => [[name], expect.stringContaining('--cluster is missing')]),
  ])('%j is a mistake in the command line', async (args, stderr) => {
    expect(await admin(...args)).toEqual({ status: 2, stdout: '', stderr });
  });

  test('a reader that stops reading is no failure', async () => {
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
    const child = spawn(process.execPath, [main, 'help'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const [status] = await once(child, 'close');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('the launcher runs it from any directory', async () => {
    const launcher = fileURLToPath(new URL('../../bin/admin', import.meta.url));
    expect(await run(launcher, ['kil'], place.dir)).toMatchObject({ status: 2 });
    expect(await run(launcher, ['help'], '/')).toMatchObject({ status: 0 });
  });
});

describe('new', () => {
  test('makes a cluster with its six directories', async () => {
    expect(await admin('new', '--cluster=c')).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(path('c')).sort()).toEqual([
      'base',
      'config',
      'logs',
      'packages',
      'registry',
      'workers',
    ]);
    expect(JSON.parse(read('c', 'config', 'template.json'))).toMatchObject({ worker_port: '8080' });
  });

  test('refuses what is there, and leaves nothing where it fails', async () => {
    const before = read('c', 'config', 'template.json');
    const again = await admin('new', '--cluster=c');
    expect(again).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^admin new: c exists already/),
    });
    expect(read('c', 'config', 'template.json')).toBe(before);
    for (const args of [
      ['--cluster=a/b'],
      ['--cluster=x', '--base=nothing'],
      ['--cluster=x', '--base=dir:c'],
    ]) {
      expect((await admin('new', ...args)).status).toBe(1);
    }
    expect(readdirSync(place.dir)).toEqual(['c']);
  });
});

describe('setconf', () => {
  test.each([
    ['-cluster', 'c'],
    ['-cluster=c'],
    ['--cluster=c'],
    ['--cluster', 'c'],
  ])('takes %s %s', async (...flag) => {
    const value = flag.join('').length;
    const { status, stdout } = await admin('setconf', ...flag, `{"max_runners": ${value}}`);
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^max_runners: \\d+ -> ${value}\n|^nothing changed`));
    expect(JSON.parse(read('c', 'config', 'template.json')).max_runners).toBe(value);
  });

  test('takes the words of the README', async () => {
    const { status } = await admin('setconf', '--cluster=c', '{"sandbox": "sock", "registry": "local"}');
    expect(status).toBe(0);
  });

  test.each([
    ['{"max_runer": 5}', 'unknown key "max_runer" (did you mean "max_runners"?)'],
    ['{"zyxwvu": 5}', 'unknown key "zyxwvu" (docs/configuration.md has them all)'],
    ['{"max_runners": "many"}', 'max_runners: '],
    ['{"worker_port": 80000}', 'worker_port: '],
    ['{max_runners: 5}', 'it is not JSON'],
    ['5', 'a JSON object is expected, this is a number'],
  ])('refuses %s and leaves the file as it is', async (json, reason) => {
    const before = read('c', 'config', 'template.json');
    const { status, stdout, stderr } = await admin('setconf', '--cluster=c', json);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain(reason);
    expect(read('c', 'config', 'template.json')).toBe(before);
    expect(readdirSync(path('c', 'config'))).toEqual(['template.json']);
  });

  test('two at the same time both count', async () => {
    const settings = ['{"max_runners": 7}', '{"queue_max": 8}', '{"tmp_max_mb": 9}'];
    await Promise.all(settings.map((json) => admin('setconf', '--cluster=c', json)));
    const template = JSON.parse(read('c', 'config', 'template.json'));
    expect(template).toMatchObject({ max_runners: 7, queue_max: 8, tmp_max_mb: 9 });
  });
});

describe('a cluster without workers', () => {
  test('has a status that says so, and nothing to kill', async () => {
    const { status, stdout, stderr } = await admin('status', '--cluster=c');
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('no worker runs in c: start one with `admin workers --cluster=c`');
    expect(await admin('status', '--cluster=c', '--json')).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('"workers": []'),
    });
    expect(await admin('kill', '--cluster=c')).toMatchObject({ status: 0, stderr: '' });
  });

  test('that is not there is an error', async () => {
    for (const name of ['workers', 'status', 'kill']) {
      const { status, stderr } = await admin(name, '--cluster=nowhere');
      expect(status).toBe(1);
      expect(stderr).toContain('nowhere is not a cluster directory');
    }
    expect(existsSync(path('nowhere'))).toBe(false);
  });
});
