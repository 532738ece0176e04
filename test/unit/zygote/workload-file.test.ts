import { expect, test } from 'vitest';
import { readWorkload, statisticsOf } from '../../../src/zygote/workload-file.ts';
import { cost, group } from './nodes.ts';
import { useFiles } from './temp-file.ts';

const files = useFiles();

const FUNCTIONS = [
  { name: 'f', requirements: ['numpy==1', 'pandas==2'], imports: ['pandas'] },
  { name: 'g', requirements: ['numpy==1', 'six==1'], imports: ['numpy'] },
  { name: 'h', requirements: [], imports: [] },
];
const COSTS = {
  'numpy==1': { top: ['numpy'], import_ms: 70, self_ms: 50, import_mb: 7, size_mb: 60, files: 9 },
  'pandas==2': { top: ['pandas'], import_ms: 300, self_ms: 200, import_mb: 30 },
  'six==1': { top: ['six'], import_ms: 0, self_ms: 0, import_mb: 0 },
};

function read(functions: unknown = FUNCTIONS, costs: unknown = COSTS) {
  return readWorkload(
    files.write('functions.json', functions),
    costs === null ? null : files.write('costs.json', costs),
  );
}

test('a function loads what it imports, and what that is likely to import', () => {
  const [f, g, h] = read().functions;
  expect(f).toEqual({ name: 'f', ...group(1, ['numpy==1', 'pandas==2']) });
  expect(g?.loads).toEqual(new Set(['numpy==1']));
  expect(h?.loads).toEqual(new Set());
});

test('what an import takes beyond its package and what that needs is shared; memory goes with the time', () => {
  const { costs } = read();
  // Of what a process takes, three quarters are its own.
  expect(costs.get('numpy==1')).toEqual(cost(50, 5 * 768, 20, 2 * 768));
  // 300 ms are 200 of its own, 50 of numpy's, and 50 of the standard library.
  expect(costs.get('pandas==2')).toEqual(cost(200, 20 * 768, 50, 5 * 768));
  expect(costs.get('six==1')).toEqual(cost(0, 0));
});

test('without costs, everything that is required counts as loaded and as unknown', () => {
  const { functions, costs, unknown } = read(FUNCTIONS, null);
  expect(functions[1]?.loads).toEqual(new Set(['numpy==1', 'six==1']));
  expect(costs.size).toBe(0);
  expect(unknown).toEqual(['numpy==1', 'pandas==2', 'six==1']);
});

test('packages that the costs have nothing of are named, and count as loaded', () => {
  const { functions, unknown } = read([{ name: 'f', requirements: ['new==1'], imports: ['new'] }]);
  expect(unknown).toEqual(['new==1']);
  expect(functions[0]?.loads).toEqual(new Set(['new==1']));
});

test('functions that load the same of the same packages are one group', () => {
  const twice = [...FUNCTIONS, { ...FUNCTIONS[0], name: 'i', calls: 5 }];
  expect(statisticsOf(read(twice)).groups.map(({ calls }) => calls)).toEqual([6, 1, 1]);
});

test.each([
  ['an object', {}, /: the whole: a list of functions is expected, this is \{\}$/],
  ['an empty list', [], /: at least one function is expected$/],
  ['no name', [{ requirements: [] }], /: \[0\]\.name: a text is expected, this is missing$/],
  [
    'an unpinned requirement',
    [{ name: 'f', requirements: ['numpy'] }],
    /: \[0\]\.requirements\[0\]: `<name>==<version>` is expected, this is "numpy"$/,
  ],
  ['an unknown key', [{ name: 'f', requirements: [], import: [] }], /: \[0\]: Unrecognized key: "import"/],
  [
    'two mistakes',
    [{ name: 1, requirements: 2 }],
    /: \[0\]\.name: a text is expected, this is 1 \(and 1 more\)$/,
  ],
])('%s is no workload', (_what, functions, message) => {
  expect(() => read(functions)).toThrow(message);
  expect(() => read(functions)).toThrow(/functions\.json/);
});

test.each([
  ['a list', [], /costs\.json: the whole: an object with a key for each package is expected/],
  [
    'no times',
    { 'a==1': { top: [] } },
    /costs\.json: \["a==1"\]\.import_ms: a number is expected, this is missing/,
  ],
  ['a key without a version', { a: COSTS['six==1'] }, /costs\.json: a: .*this is /],
])('%s is no table of costs', (_what, costs, message) => {
  expect(() => read(FUNCTIONS, costs)).toThrow(message);
});
