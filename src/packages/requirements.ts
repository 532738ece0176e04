import { OlError } from '../errors.ts';

/** What a `packages.txt` asks for. */
export interface Requirements {
  /** As an installer reads them, one form for one meaning, sorted, each once. */
  readonly requirements: readonly string[];
  /** The modules that lines of the form `import:install` name, sorted. */
  readonly modules: readonly string[];
  /** The normalised names of what is asked for by a line without a module. */
  readonly unnamed: readonly string[];
}

export const PACKAGES_FILE = 'packages.txt';
const MAX_LINE = 1000;
const MAX_LINES = 1000;

const COMMENT = /(^|\s)#.*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/;
/** `module:requirement`, the seed's form. A marker comes behind a `;`, so no colon of one is taken for this. */
const NAMED = /^([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*:(?!\/)\s*(.*)$/;
/** PEP 508 without URLs: name, extras, versions, marker. */
const REQUIREMENT =
  /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*(?:\(([^()]*)\)|([^;()]*?))\s*(?:;(.*))?$/;
const VERSION = /^(===|==|!=|~=|<=|>=|<|>)\s*([A-Za-z0-9][A-Za-z0-9.*+!_-]*)$/;
const EXTRA = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const MARKER = /^[\w\s"'.<>=!()~,+*-]+$/;

/** What is no requirement, and why it is not taken. The first that fits is told. */
const REFUSED: readonly (readonly [RegExp, string])[] = [
  [CONTROL, 'has a control character in it'],
  [/\\$/, 'goes on in the next line: write it on one'],
  [/^-/, 'is an option: options are for the configuration of the worker'],
  [/:\/\/|^[A-Za-z0-9._\-[\],\s]+@/, 'is a URL: only packages of the index are installed'],
  [/^[./~]|^[A-Za-z]:\\|\\/, 'is a path: put your own modules beside lambda_func.py'],
  [/\.\.|\//, 'is a path: put your own modules beside lambda_func.py'],
];

/** PEP 503: one name for all ways to write it. */
export function normalizeName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}

/** Reads the text of a `packages.txt`; `name` is the function's. Throws ERR_PACKAGES_FILE. */
export function parsePackagesFile(text: string, name: string): Requirements {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const refuse = (index: number, reason: string) => {
    const line = shown(lines[index] ?? '');
    return new OlError('ERR_PACKAGES_FILE', { name, line: index + 1, reason: `${line} ${reason}` });
  };
  if (lines.length > MAX_LINES) throw refuse(MAX_LINES, `is one line too many: ${MAX_LINES} may be there`);
  const found = lines.flatMap((line, index) => {
    const parsed = parseLine(line);
    if (typeof parsed === 'string') throw refuse(index, parsed);
    return parsed === null ? [] : [parsed];
  });
  const unnamed = found.filter(({ module }) => module === null).map(({ project }) => project);
  const modules = found.map(({ module }) => module).filter((module) => module !== null);
  return {
    requirements: sortedSet(found.map(({ requirement }) => requirement)),
    modules: sortedSet(modules),
    unnamed: sortedSet(unnamed),
  };
}

/** One requirement in one form for one meaning. Throws ERR_PACKAGES_FILE with `name` as what it is from. */
export function parseRequirement(text: string, name: string): Requirements {
  return parsePackagesFile(text.replaceAll('\n', ' '), name);
}

interface Line {
  readonly module: string | null;
  readonly requirement: string;
  /** Its normalised name. */
  readonly project: string;
}

/** Null for a line that asks for nothing; the reason where it is refused. */
function parseLine(line: string): Line | string | null {
  if (line.length > MAX_LINE) return `is longer than ${MAX_LINE} characters`;
  const text = line.replace(COMMENT, '').trim();
  if (text === '' && !CONTROL.test(line)) return null;
  const [, module = null, install = text] = NAMED.exec(text) ?? [];
  const refused = REFUSED.find(([pattern]) => [line, text, install].some((one) => pattern.test(one)));
  if (refused !== undefined) return refused[1];
  const parsed = parseInstall(install);
  return typeof parsed === 'string' ? parsed : { module, ...parsed };
}

function parseInstall(text: string): Omit<Line, 'module'> | string {
  // One space at most between two words: in a run of many, the parts of the pattern that take spaces could meet anywhere,
  // and trying all of that took minutes for one line.
  const match = REQUIREMENT.exec(text.replace(/\s+/g, ' '));
  if (match === null) return 'is not a requirement: write a name, and versions like requests>=2.31';
  const [, name = '', extras, bracketed, bare, marker] = match;
  const names = listOf(extras);
  const wrong = names.find((extra) => !EXTRA.test(extra));
  if (wrong !== undefined) return `asks for ${shown(wrong)}, which is not the name of an extra`;
  const versions = versionsOf(bracketed ?? bare ?? '');
  if (typeof versions === 'string') return versions;
  if (marker !== undefined && !MARKER.test(marker)) return 'has a marker that cannot be read, behind the ;';
  const project = normalizeName(name);
  const extra = names.length === 0 ? '' : `[${sortedSet(names.map(normalizeName)).join(',')}]`;
  const condition = marker === undefined ? '' : ` ; ${marker.trim().replace(/\s+/g, ' ')}`;
  return { project, requirement: `${project}${extra}${versions.join(',')}${condition}` };
}

function versionsOf(text: string): string[] | string {
  const all = listOf(text).map((one) => VERSION.exec(one) ?? one);
  const wrong = all.find((one) => typeof one === 'string');
  if (typeof wrong === 'string') return `says ${shown(wrong)} where a version like >=2.31 is expected`;
  return sortedSet(all.map(([, operator, version]) => `${operator}${version}`));
}

function listOf(text: string | undefined): string[] {
  return text === undefined || text.trim() === '' ? [] : text.split(',').map((one) => one.trim());
}

function sortedSet(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}

/** As JSON, which shows what can't be seen, and short. */
function shown(text: string): string {
  const quoted = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
  return quoted.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
