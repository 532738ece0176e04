import { createReadStream, lstatSync, readdirSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isOutOfReach } from './out-of-reach.ts';

/** A host that only the proxy knows: it stands for directories of this machine. */
export const FIND_LINKS_HOST = 'find-links.invalid';
const PACKAGE_FILE = /^[\w.+!-]+\.(whl|tar\.gz|zip|tar\.bz2|tgz)$/;

/** Directories with files of packages, served to installers which see nothing of this machine. */
export class LinkedFiles {
  readonly #dirs: readonly string[];

  constructor(dirs: readonly string[]) {
    this.#dirs = dirs;
  }

  /** The pages to look for links on: of those directories that have any package. */
  get urls(): string[] {
    const all = this.#dirs.map((dir, at) =>
      filesIn(dir).length > 0 ? `http://${FIND_LINKS_HOST}/${at}/` : null,
    );
    return all.filter((url) => url !== null);
  }

  /** Answers a request for `/<number of the directory>/` with links, and for a file in it with that. */
  async serve(path: string, response: ServerResponse): Promise<void> {
    const [, at = '', name = ''] = /^\/(\d{1,4})\/([^/]*)$/.exec(path) ?? [];
    const dir = this.#dirs[Number(at)];
    const files = at === '' || dir === undefined ? [] : filesIn(dir);
    const wanted = decodeURIComponent(name);
    if (dir !== undefined && wanted === '' && files.length > 0) sendLinks(files, response);
    else if (dir !== undefined && files.includes(wanted)) {
      const { size } = lstatSync(join(dir, wanted));
      response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': size });
      await pipeline(createReadStream(join(dir, wanted)), response);
    } else response.writeHead(404).end();
  }
}

function sendLinks(files: readonly string[], response: ServerResponse): void {
  const links = files.map((name) => `<a href="${encodeURIComponent(name)}">${name}</a>`);
  response.writeHead(200, { 'Content-Type': 'text/html' });
  response.end(`<!DOCTYPE html><html><body>${links.join('\n')}</body></html>\n`);
}

function filesIn(dir: string): string[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile() && PACKAGE_FILE.test(entry.name)).map(({ name }) => name);
  } catch (error) {
    if (isOutOfReach(error)) return [];
    throw error;
  }
}
