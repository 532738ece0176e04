import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { clusterPaths } from '../../src/cluster/paths.ts';
import { bundleOf } from '../helpers/bundle.ts';
import { gateOf } from '../helpers/gate.ts';
import { until } from '../helpers/poll.ts';
import { call, type Place, startWorker } from './run-admin.ts';

/** As the fixture `gate`, but only for the call `last`. */
const GATE = `
import json, os, time

def handler(event):
    print(json.dumps(event), flush=True)
    while event == 'last' and not os.path.exists('/host/open'):
        time.sleep(0.005)
    return event
`;

/** All files below a directory with their contents, and whether they can be executed. */
function treeOf(dir: string): Record<string, string> {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(dir, path)).isFile(),
  );
  const shown = (path: string) => {
    const isExecutable = (statSync(join(dir, path)).mode & 0o111) !== 0;
    return `${isExecutable ? 'x ' : '- '}${readFileSync(join(dir, path), 'utf8')}`;
  };
  return Object.fromEntries(files.sort().map((path) => [path, shown(path)]));
}

/** What `upload`, `ls`, `download` and `rm` do, whatever the kind of the registry of cluster `c`, which is there and empty. */
export function describeStoreCommands(place: Place, shownPlace: RegExp): void {
  const { admin, path } = place;
  const on = (command: string, name: string, ...rest: string[]) =>
    admin(command, '--cluster=c', `--handler=${name}`, ...rest);
  const names = async () => {
    const { stdout } = await admin('ls', '--cluster=c', '--json');
    return JSON.parse(stdout).functions.map(({ name }: { name: string }) => name);
  };
  const failure = (message: RegExp) => ({ status: 1, stdout: '', stderr: expect.stringMatching(message) });

  describe('the commands of a registry', () => {
    test('an empty one is listed as such', async () => {
      const { status, stdout } = await admin('ls', '--cluster=c');
      expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^0 functions in /) });
      expect(stdout).toMatch(shownPlace);
    });

    test('a directory is uploaded, without what is no code, and comes back the same', async () => {
      mkdirSync(path('dir/lib/deep'), { recursive: true });
      mkdirSync(path('dir/__pycache__'));
      writeFileSync(path('dir/__pycache__/x.pyc'), 'made by an interpreter');
      writeFileSync(path('dir/lambda_func.py'), 'def handler(event):\n    return 1\n');
      writeFileSync(path('dir/lib/deep/data'), 'größe');
      writeFileSync(path('dir/run.sh'), '#!/bin/sh\n');
      chmodSync(path('dir/run.sh'), 0o755);
      const { status, stdout } = await on('upload', 'dir', '--file=dir');
      expect({ status, stdout }).toEqual({
        status: 0,
        stdout: expect.stringMatching(/^uploaded dir to .*: \d+ B, version [0-9a-f]{16}\n$/),
      });
      expect(await on('download', 'dir', '--file=back')).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/^downloaded dir to back: \d+ B\n$/),
      });
      expect(treeOf(path('back'))).toEqual({
        'lambda_func.py': '- def handler(event):\n    return 1\n',
        'lib/deep/data': '- größe',
        'run.sh': 'x #!/bin/sh\n',
      });
    });

    test('a bundle is uploaded, and comes back with the same version', async () => {
      writeFileSync(path('b.tar.gz'), bundleOf({ 'lambda_func.py': '# b', 'data/x': 'y' }));
      const versionIn = (text: string) => /version (\w+)/.exec(text)?.[1] ?? text;
      const first = versionIn((await on('upload', 'bundle', '--file=b.tar.gz')).stdout);
      await on('download', 'bundle', '--file=b-back.tar.gz');
      const second = versionIn((await on('upload', 'copy', '--file=b-back.tar.gz')).stdout);
      expect(second).toBe(first);
      expect(first).toMatch(/^[0-9a-f]{16}$/);
    });

    test('they are listed with size, time and version, as text and as data', async () => {
      const { stdout } = await admin('ls', '--cluster=c');
      expect(stdout).toMatch(
        /^bundle {2}.*\ncopy {2} .*\ndir {2} +\d+ B {2}\d{4}-\d\d-\d\dT\S+Z {2}[0-9a-f]{16}\n3 functions in /,
      );
      const { registry, functions } = JSON.parse((await admin('ls', '--cluster=c', '--json')).stdout);
      expect(registry).toMatch(shownPlace);
      expect(functions[2]).toEqual({
        name: 'dir',
        bytes: expect.any(Number),
        changed: expect.stringMatching(/^\d{4}-.*Z$/),
        version: expect.stringMatching(/^[0-9a-f]{64}$/),
        problem: null,
      });
      expect(stdout).toContain(functions[2].version.slice(0, 16));
    });

    test('a download writes over nothing, and nothing is left of one that fails', async () => {
      writeFileSync(path('mine.tar.gz'), 'mine');
      const before = readdirSync(place.dir).sort();
      const exists = failure(/exists already: choose another name, or remove it\n$/);
      expect(await on('download', 'dir', '--file=mine.tar.gz')).toEqual(exists);
      expect(await on('download', 'dir', '--file=back')).toEqual(exists);
      expect(await on('download', 'none', '--file=none')).toEqual(
        failure(/has no function 'none': `admin ls` lists those/),
      );
      expect(await on('download', 'dir', '--file=no/where')).toEqual(failure(/mkdir -p/));
      expect(place.read('mine.tar.gz')).toBe('mine');
      expect(readdirSync(place.dir).sort()).toEqual(before);
    });

    test.each([
      [
        'packages.txt of .*, line 3: .*is a path',
        { 'packages.txt': 'numpy\n\n../mine\n', 'lambda_func.py': '' },
      ],
      ['no file lambda_func.py at its top.*it is in sub.*-C sub', { 'sub/lambda_func.py': '' }],
    ])('a bundle is refused with the place and the reason: %s', async (message, files) => {
      writeFileSync(path('bad.tar.gz'), bundleOf(files as Record<string, string>));
      expect(await on('upload', 'bad', '--file=bad.tar.gz')).toEqual(failure(new RegExp(message)));
      expect(await names()).not.toContain('bad');
    });

    test('a directory is refused for the same reasons', async () => {
      mkdirSync(path('bad'));
      writeFileSync(path('bad/packages.txt'), 'numpy ==\n');
      expect(await on('upload', 'bad', '--file=bad')).toEqual(
        failure(
          /^admin upload: bad: it has no lambda_func\.py: write the function's code to bad\/lambda_func\.py/,
        ),
      );
      writeFileSync(path('bad/lambda_func.py'), '');
      expect(await on('upload', 'bad', '--file=bad')).toEqual(failure(/packages\.txt of 'bad', line 1/));
      expect(await names()).not.toContain('bad');
    });

    test('what is uploaded again takes the place of what was there', async () => {
      writeFileSync(path('b2.tar.gz'), bundleOf({ 'lambda_func.py': '# two' }));
      await on('upload', 'bundle', '--file=b2.tar.gz');
      await on('download', 'bundle', '--file=two');
      expect(treeOf(path('two'))).toEqual({ 'lambda_func.py': '- # two' });
    });

    test('what is removed is gone; what is not there cannot be removed', async () => {
      expect(await on('rm', 'bundle')).toEqual({
        status: 0,
        stdout: expect.stringMatching(/^removed bundle from /),
        stderr: '',
      });
      expect(await names()).toEqual(['copy', 'dir']);
      expect(await on('rm', 'bundle')).toEqual(failure(/has no function 'bundle': `admin ls` lists those/));
    });

    test('a function that is removed while it serves finishes its call, and is not there for the next', async () => {
      mkdirSync(path('gate'));
      writeFileSync(path('gate/lambda_func.py'), GATE);
      await on('upload', 'gate', '--file=gate');
      await admin('setconf', '--cluster=c', '{"registry_check_ms": 50}');
      const port = await startWorker(place);
      const calling = call(port, 'gate', 'last');
      const gate = await gateOf(clusterPaths(path('c')));
      expect(await on('rm', 'gate')).toMatchObject({ status: 0 });
      await until('the end of the function', async () => (await call(port, 'gate', 0)).status === 404);
      await gate.open();
      expect((await calling).status).toBe(200);
    });
  });
}
