import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isOutOfReach } from './out-of-reach.ts';

/** Where packages come from. */
export interface PackageIndex {
  /** Null for the installer's own default. */
  readonly url: string | null;
  readonly extraUrls: readonly string[];
  /** Directories of this machine, or URLs of pages, with files of packages. */
  readonly findLinks: readonly string[];
  /** Only what `findLinks` has. */
  readonly noIndex: boolean;
  /** Hosts whose certificates are not checked, and that may be spoken to without encryption. */
  readonly trustedHosts: readonly string[];
  /** A file of certificates; null for the machine's own. */
  readonly certificates: string | null;
  /** A proxy for all servers; null for what the environment says. */
  readonly proxy: string | null;
}

/** pip's own option names, of what we understand. */
type Settings = Readonly<Record<string, string>>;

const SECTIONS = ['global', 'download', 'install'];
const CERTIFICATES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * What pip's configuration on this machine says: its files, then the environment (`PIP_INDEX_URL` and so on), later ones
 * over earlier ones. `mirror` takes the place of all indexes in it.
 */
export function findIndex(mirror: string | null, env: NodeJS.ProcessEnv): PackageIndex {
  const settings: Settings = Object.assign({}, ...configFiles(env).map(readConfig), fromEnvironment(env));
  const listed = (name: string) => (settings[name] ?? '').split(/\s+/).filter(Boolean);
  const own = mirror === null;
  return {
    url: mirror ?? settings['index-url'] ?? null,
    extraUrls: own ? listed('extra-index-url') : [],
    findLinks: listed('find-links'),
    noIndex: own && ['1', 'true', 'yes', 'on'].includes((settings['no-index'] ?? '').toLowerCase()),
    trustedHosts: listed('trusted-host'),
    certificates: certificatesOf(settings, env),
    proxy: settings.proxy || null,
  };
}

function certificatesOf(settings: Settings, env: NodeJS.ProcessEnv): string | null {
  const named = [settings.cert, env.SSL_CERT_FILE, env.REQUESTS_CA_BUNDLE, ...CERTIFICATES];
  return named.find((path) => path !== undefined && path !== '' && isFile(path)) ?? null;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** In the order in which pip reads them. */
function configFiles(env: NodeJS.ProcessEnv): string[] {
  const { HOME = '/root', XDG_CONFIG_HOME = join(HOME, '.config'), PIP_CONFIG_FILE } = env;
  if (PIP_CONFIG_FILE === '/dev/null') return [];
  const user = [join(HOME, '.pip', 'pip.conf'), join(XDG_CONFIG_HOME, 'pip', 'pip.conf')];
  return ['/etc/xdg/pip/pip.conf', '/etc/pip.conf', ...user, ...(PIP_CONFIG_FILE ? [PIP_CONFIG_FILE] : [])];
}

function readConfig(path: string): Settings {
  try {
    return parsePipConfig(readFileSync(path, 'utf8'));
  } catch (error) {
    if (isOutOfReach(error)) return {};
    throw error;
  }
}

/** The settings of the sections that matter to us, as Python's configparser reads them. */
export function parsePipConfig(text: string): Settings {
  const sections = new Map<string, Record<string, string>>();
  let section = '';
  let last: string | null = null;
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === '' || /^[#;]/.test(trimmed)) continue;
    const settings = sections.get(section) ?? {};
    sections.set(section, settings);
    const header = /^\[([^\]]+)\]/.exec(trimmed)?.[1];
    const [, name, value = ''] = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(trimmed) ?? [];
    if (header !== undefined) section = header;
    else if (/^\s/.test(line) && last !== null) settings[last] += `\n${trimmed}`;
    else if (name !== undefined) {
      last = name.toLowerCase().replaceAll('_', '-');
      settings[last] = value;
    }
    if (header !== undefined) last = null;
  }
  return Object.assign({}, ...SECTIONS.map((name) => sections.get(name)));
}

function fromEnvironment(env: NodeJS.ProcessEnv): Settings {
  const set = Object.entries(env).filter(([name, value]) => name.startsWith('PIP_') && value);
  return Object.fromEntries(
    set.map(([name, value]) => [name.slice(4).toLowerCase().replaceAll('_', '-'), value ?? '']),
  );
}
