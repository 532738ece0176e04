import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runPython } from './run-python.ts';

/** A package for an index of our own: its files by their path in the wheel, or in the sdist. */
export interface TestPackage {
  readonly name: string;
  readonly version: string;
  readonly files: Readonly<Record<string, string>>;
  readonly requires?: readonly string[];
  /** Where true there is no wheel, only what `setup.py` among the files builds. */
  readonly isSdist?: boolean;
  /** What its link in the index says instead: another place, or another hash. */
  readonly href?: string;
  readonly sha256?: string;
  /** How many bytes of it the index has; all, where it is not given. */
  readonly cutAt?: number;
}

interface Archive {
  readonly file: string;
  readonly bytes: Buffer;
  readonly metadata: string;
  readonly href: string;
  readonly sha256: string | null;
}

/** A package index in this process (PEP 503), with packages that are made up. */
export class TestIndex implements AsyncDisposable {
  readonly url: string;
  /** The paths that were asked for. */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #archives = new Map<string, Archive[]>();
  /** What answers are held up for: those whose path fits. */
  held: Promise<void> = Promise.resolve();
  holds = /./;
  /** Whether what a package needs is told without its file (PEP 658). */
  tellsMetadata = false;
  static readonly hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  /** What it says of each archive. */
  hash = TestIndex.hash;
  readonly #port: number;

  static async start(): Promise<TestIndex> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TestIndex(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.#port}/simple`;
    server.on('request', async ({ url = '' }, response) => {
      this.asked.push(url);
      if (this.holds.test(url)) await this.held;
      const found = this.#find(url);
      const type = typeof found === 'string' ? 'text/html' : 'application/octet-stream';
      response.writeHead(found === null ? 404 : 200, { 'Content-Type': type }).end(found ?? '');
    });
  }

  add(one: TestPackage): void {
    const archive = runPython<{ file: string; content: string; metadata: string }>('make-package.py', one);
    const { file, content, metadata } = archive;
    const bytes = Buffer.from(content, 'base64').subarray(0, one.cutAt);
    const made = { file, bytes, metadata, href: one.href ?? file, sha256: one.sha256 ?? null };
    this.#archives.set(one.name, [...(this.#archives.get(one.name) ?? []), made]);
  }

  #find(url: string): string | Buffer | null {
    const [, name = '', file] = /^\/simple\/([^/]+)\/([^/]+)?$/.exec(url) ?? [];
    const archives = this.#archives.get(name) ?? [];
    const described = this.tellsMetadata && file?.endsWith('.metadata');
    if (described) return archives.find((one) => `${one.file}.metadata` === file)?.metadata ?? null;
    if (file !== undefined) return archives.find((one) => one.file === file)?.bytes ?? null;
    if (archives.length === 0) return null;
    const attribute = this.tellsMetadata ? ' data-core-metadata="true"' : '';
    const links = archives.map(
      ({ file, href, sha256, bytes }) =>
        `<a href="${href}#sha256=${sha256 ?? this.hash(bytes)}"${attribute}>${file}</a>`,
    );
    return `<!DOCTYPE html><html><body>${links.join('\n')}</body></html>`;
  }

  /** Nobody listens at its address any more. */
  async goDown(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async comeUp(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.goDown();
  }
}
