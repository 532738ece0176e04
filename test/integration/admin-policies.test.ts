import { existsSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readTreeFile } from '../../src/zygote/tree-file.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { usePlace } from './run-admin.ts';

leavesNothing();
const place = usePlace();
const { admin, path, read } = place;

const FUNCTIONS = [
  { name: 'f', requirements: ['numpy==1', 'pandas==2'], imports: ['pandas'] },
  { name: 'g', requirements: ['numpy==1'], imports: ['numpy'] },
  { name: 'h', requirements: ['flask==3'], imports: ['flask'] },
];
const COSTS = {
  'numpy==1': { top: ['numpy'], import_ms: 70, self_ms: 70, import_mb: 20 },
  'pandas==2': { top: ['pandas'], import_ms: 260, self_ms: 190, import_mb: 50 },
};

function write(name: string, content: unknown): void {
  writeFileSync(path(name), JSON.stringify(content));
}

function writeInputs(): void {
  write('functions.json', FUNCTIONS);
  write('costs.json', COSTS);
}

const INPUTS = ['-workload=functions.json', '-costs', 'costs.json'];
const NOTE = 'costs.json has nothing of 1 packages (flask==3): they are taken to cost the mean\n';

describe('fit', () => {
  test('writes a tree that can be read, tells what it is, and how to replay it', async () => {
    writeInputs();
    const { status, stdout, stderr } = await admin('fit', ...INPUTS, '-budget=1048576', '-out=tree.json');
    expect({ status, stderr }).toEqual({ status: 0, stderr: NOTE });
    const [first, second, ...rest] = stdout.trimEnd().split('\n');
    expect(first).toMatch(/^wrote tree\.json: 3 zygotes, \d+ of 1024 MiB, 2 deep at most$/);
    expect(second).toMatch(
      /^they save 1\d\d\.\d ms a call; replay it: admin simulate --workload=functions\.json /,
    );
    expect(rest).toEqual([]);
    expect(readTreeFile(path('tree.json'))).toMatchObject({ packages: [], children: { length: 2 } });
  });

  test('prints data where it is asked for', async () => {
    writeInputs();
    const { status, stdout } = await admin('fit', ...INPUTS, '--budget=0', '--out=none.json', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      out: 'none.json',
      budgetKb: 0,
      zygotes: 0,
      kb: 0,
      depth: 0,
      savedMs: 0,
    });
    expect(JSON.parse(read('none.json'))).toMatchObject({ packages: [], children: [] });
  });

  test('a workload that is wrong leaves the output as it was', async () => {
    write('wrong.json', [{ name: 'f', requirements: ['numpy'] }]);
    const { status, stdout, stderr } = await admin(
      'fit',
      '--workload=wrong.json',
      '--budget=1',
      '--out=never.json',
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toBe(
      'admin fit: wrong.json: [0].requirements[0]: `<name>==<version>` is expected, this is "numpy"\n',
    );
    expect(existsSync(path('never.json'))).toBe(false);
  });

  test.each([
    [[], /--workload is missing/],
    [['--workload=functions.json', '--out=x'], /--budget is missing/],
    [['--workload=functions.json', '--budget=1'], /--out is missing/],
    [['--workload=functions.json', '--budget=1GB', '--out=x'], /a whole number from 0/],
  ])('%j is a mistake in the command line', async (args, message) => {
    writeInputs();
    const { status, stderr } = await admin('fit', ...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('simulate', () => {
  test('prints a table with a row for each policy and budget', async () => {
    writeInputs();
    const args = ['-policy=root,learned', '-budget=10240,1048576'];
    const { status, stdout } = await admin('simulate', ...INPUTS, ...args);
    expect(status).toBe(0);
    const rows = stdout.trimEnd().split('\n');
    expect(rows[0]).toMatch(/^policy +budget +requests\/s +p50 +p99 +memory/);
    expect(rows.slice(1).map((row) => row.split(/ {2,}/).slice(0, 2))).toEqual([
      ['root', '-'],
      ['learned', '10 MiB'],
      ['learned', '1024 MiB'],
    ]);
  });

  test('prints data, draws, and replays a tree', async () => {
    writeInputs();
    write('given.json', { packages: [], children: [{ packages: ['numpy==1'] }] });
    const args = ['--policy=tree', '--tree=given.json', '--rounds=2', '--svg=plot.svg', '--json'];
    const { status, stdout, stderr } = await admin('simulate', ...INPUTS, ...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: `${NOTE}wrote plot.svg\n` });
    expect(JSON.parse(stdout).results).toEqual([
      expect.objectContaining({ policy: 'tree', requests: 6, hitsByDepth: [2, 4], zygotes: 1 }),
    ]);
    expect(read('plot.svg')).toMatch(/^<svg .*<\/svg>\n$/s);
  });

  test.each([
    [['--policy=leerned'], 2, /unknown policy "leerned": did you mean "learned"\?/],
    [['--policy=xyzzy'], 2, /unknown policy "xyzzy": there are none, root, /],
    [['--policy=tree'], 2, /--tree is missing/],
    [['--budget=1,x'], 2, /a whole number from 0/],
    [['--clients=0'], 2, /a whole number from 1/],
    [['--tree=nowhere.json'], 1, /nowhere\.json: there is no such file/],
    [['--costs=nowhere.json'], 1, /nowhere\.json: there is no such file/],
    [['--svg=nowhere/plot.svg', '--policy=root'], 1, /nowhere/],
  ])('%j fails with a reason', async (args, expected, message) => {
    writeInputs();
    const { status, stderr } = await admin('simulate', '--workload=functions.json', ...args);
    expect(status).toBe(expected);
    expect(stderr).toMatch(message);
  });
});
