import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');

/** The ranks of the rooms: a room imports lower ones only. */
const RANKS: Readonly<Record<string, number>> = {
  'errors.ts': 0,
  'in-time.ts': 0,
  config: 1,
  telemetry: 2,
  linux: 3,
  cluster: 3,
  registry: 3,
  client: 3,
  s3: 3,
  cgroup: 4,
  docker: 4,
  network: 4,
  sandbox: 5,
  packages: 6,
  zygote: 6,
  functions: 7,
  triggers: 8,
  worker: 9,
  cli: 10,
};

/** Rooms of rank 3 that stand on another one of rank 3. */
const SIDEWAYS = ['cluster -> linux', 'registry -> linux', 'client -> linux', 's3 -> linux'];

/** Concrete classes and what makes them, the room that they are in, and the only other files that may name them. */
const CONCRETE: Readonly<Record<string, string>> = {
  SockEngine: 'sandbox/',
  DockerEngine: 'sandbox/',
  LocalRegistry: 'registry/',
  createLocalRegistry: 'registry/',
  RemoteRegistry: 'registry/',
  createRemoteRegistry: 'registry/',
};
const COMPOSE = ['worker/compose.ts', 'worker/compose-docker.ts'];

interface Source {
  /** Below src/. */
  readonly path: string;
  readonly text: string;
}

function readSources(): Source[] {
  const paths = globSync('**/*.ts', { cwd: SRC });
  return paths.map((path) => ({ path, text: readFileSync(join(SRC, path), 'utf8') }));
}

function roomOf(path: string): string {
  return path.split('/')[0] ?? path;
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

/** The relative imports of a file: static ones, of types too, re-exports and `await import`. */
function importsOf({ path, text }: Source): { line: number; written: string; target: string }[] {
  const matches = text.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*['"](\.[^'"]+)['"]/g);
  return [...matches].map((match) => {
    const written = match[1] ?? '';
    const line = lineOf(text, match.index + match[0].lastIndexOf(written));
    return { line, written, target: join(dirname(path), written) };
  });
}

/** The complaint about an import, or null where it is fine. */
function complaint(
  source: Source,
  { line, written, target }: ReturnType<typeof importsOf>[number],
): string | null {
  const [from, to] = [roomOf(source.path), roomOf(target)];
  const [own, other] = [RANKS[from], RANKS[to]];
  const where = `src/${source.path}:${line} imports ${written}`;
  if (own === undefined) return `${where}: ${from} has no rank`;
  if (other === undefined) return `${where}: ${to} is no room of src/`;
  if (from === to || other < own || SIDEWAYS.includes(`${from} -> ${to}`)) return null;
  return `${where}: ${to} (${other}) is ${other > own ? 'above' : 'beside'} ${from} (${own})`;
}

function complaints(sources: readonly Source[]): string[] {
  return sources
    .flatMap((source) => importsOf(source).map((one) => complaint(source, one)))
    .filter((one) => one !== null);
}

/** Every place where the pattern is found, outside of the files that may have it. */
function places(pattern: RegExp, mayHave: (path: string) => boolean): string[] {
  return readSources()
    .filter(({ path }) => !mayHave(path))
    .flatMap(({ path, text }) =>
      [...text.matchAll(pattern)].map((match) => `src/${path}:${lineOf(text, match.index)} ${match[0]}`),
    );
}

test('every import goes down', () => {
  expect(complaints(readSources())).toEqual([]);
});

test('every file is in a room that has a rank', () => {
  expect(readSources().filter(({ path }) => RANKS[roomOf(path)] === undefined)).toEqual([]);
});

test('an import that goes up or aside is found, wherever it stands', () => {
  const text = [
    "import { a } from '../worker/a.ts';",
    'import {',
    '  type b,',
    "} from '../registry/b.ts';",
    "export * from '../cli/c.ts';",
    "const d = await import('../nowhere/d.ts');",
    "import e from '../config/e.ts';",
    "import f from './f.ts';",
    "import '../../test/g.ts';",
  ].join('\n');
  expect(complaints([{ path: 'cluster/x.ts', text }])).toEqual([
    'src/cluster/x.ts:1 imports ../worker/a.ts: worker (9) is above cluster (3)',
    'src/cluster/x.ts:4 imports ../registry/b.ts: registry (3) is beside cluster (3)',
    'src/cluster/x.ts:5 imports ../cli/c.ts: cli (10) is above cluster (3)',
    'src/cluster/x.ts:6 imports ../nowhere/d.ts: nowhere is no room of src/',
    'src/cluster/x.ts:9 imports ../../test/g.ts: .. is no room of src/',
  ]);
});

test('concrete engines and registries are named in one place', () => {
  const found = Object.entries(CONCRETE).flatMap(([name, room]) =>
    places(new RegExp(`\\b${name}\\b`, 'g'), (path) => COMPOSE.includes(path) || path.startsWith(room)),
  );
  expect(found).toEqual([]);
});

test('only the command line writes to stdout; the log has its own file', () => {
  const found = places(
    /\bconsole\.\w+|\bprocess\.stdout\b/g,
    (path) => path.startsWith('cli/') || path === 'telemetry/log.ts',
  );
  expect(found).toEqual([]);
});

test('nothing is run by a shell', () => {
  expect(places(/\bexecSync?\(|\bshell: true/g, () => false)).toEqual([]);
});
