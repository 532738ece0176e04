import { chmod, copyFile, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Code } from '../registry/registry.ts';
import type { Log } from '../telemetry/log.ts';
import { LinkedFiles } from './find-links.ts';
import { findIndex, type PackageIndex } from './pip-config.ts';
import { IndexProxy } from './proxy.ts';
import { upstreamFor } from './upstream.ts';

const RUNTIME = fileURLToPath(new URL('../../runtime/python/installer.py', import.meta.url));

export interface WorkroomOptions {
  /** Made, and removed when it is closed. */
  readonly dir: string;
  /** The installer's program; null for the pip of the base image. */
  readonly uv: string | null;
  readonly pipMirror: string | null;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
}

/**
 * What sandboxes that install see at /handler: our program for it, uv, certificates, and the socket of the proxy. All of them
 * share it, and none can change it.
 */
export class Workroom {
  readonly code: Code;
  readonly tool: 'uv' | 'pip';
  /** What the tool has to be told of the index. */
  readonly options: readonly string[];
  readonly proxy: IndexProxy;

  static async open(options: WorkroomOptions): Promise<Workroom> {
    const { dir, uv, pipMirror, env, log } = options;
    const index = findIndex(pipMirror, env);
    const links = new LinkedFiles(index.findLinks.filter((link) => !link.includes('://')));
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true, mode: 0o755 });
    await chmod(dir, 0o755);
    await publish(RUNTIME, join(dir, 'lambda_func.py'), 0o644);
    if (uv !== null) await publishProgram(uv, join(dir, 'uv'));
    if (index.certificates === null) await writeFile(join(dir, 'certs.pem'), '');
    else await publish(index.certificates, join(dir, 'certs.pem'), 0o644);
    const proxy = await IndexProxy.start({
      path: join(dir, 'proxy'),
      indexes: hostsOf(index),
      links,
      upstreamFor: (server, scheme) => upstreamFor(server, scheme, { pipProxy: index.proxy, env }),
      // As pip does: who vouches for the index does for what is in front of it.
      authorities: index.certificates === null ? null : await readFile(index.certificates, 'utf8'),
      log,
    });
    const tool = uv === null ? 'pip' : 'uv';
    const pages = [...links.urls, ...index.findLinks.filter((link) => link.includes('://'))];
    return new Workroom(dir, tool, index, pages, proxy);
  }

  private constructor(
    dir: string,
    tool: 'uv' | 'pip',
    index: PackageIndex,
    pages: readonly string[],
    proxy: IndexProxy,
  ) {
    this.code = { name: 'installer', version: '0', dir };
    this.tool = tool;
    this.options = tool === 'uv' ? uvOptions(index, pages) : pipOptions(index, pages);
    this.proxy = proxy;
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await rm(this.code.dir, { recursive: true });
  }
}

function hostsOf({ url, extraUrls, findLinks }: PackageIndex): Set<string> {
  const urls = [...(url === null ? [] : [url]), ...extraUrls, ...findLinks].filter((one) =>
    URL.canParse(one),
  );
  return new Set(
    urls.map((one) => {
      const { hostname, port, protocol } = new URL(one);
      return `${hostname.replace(/^\[|\]$/g, '')}:${port || (protocol === 'http:' ? 80 : 443)}`;
    }),
  );
}

function uvOptions(
  { url, extraUrls, noIndex, trustedHosts }: PackageIndex,
  pages: readonly string[],
): string[] {
  return [
    ...(url === null ? [] : ['--default-index', url]),
    ...extraUrls.flatMap((extra) => ['--index', extra]),
    // As pip does: the best version, whichever index has it.
    ...(extraUrls.length > 0 ? ['--index-strategy', 'unsafe-best-match'] : []),
    ...pages.flatMap((page) => ['--find-links', page]),
    ...trustedHosts.flatMap((host) => ['--allow-insecure-host', host]),
    ...(noIndex ? ['--no-index'] : []),
  ];
}

function pipOptions(
  { url, extraUrls, noIndex, trustedHosts }: PackageIndex,
  pages: readonly string[],
): string[] {
  return [
    ...(url === null ? [] : ['--index-url', url]),
    ...extraUrls.flatMap((extra) => ['--extra-index-url', extra]),
    ...pages.flatMap((page) => ['--find-links', page]),
    ...[...trustedHosts, ...(pages.length > 0 ? ['find-links.invalid'] : [])].flatMap((host) => [
      '--trusted-host',
      host,
    ]),
    ...(noIndex ? ['--no-index'] : []),
  ];
}

/** A second name for it, where that is possible: it is large. */
async function publishProgram(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await publish(from, to, 0o755);
  }
}

async function publish(from: string, to: string, mode: number): Promise<void> {
  await copyFile(from, to);
  await chmod(to, mode);
}
