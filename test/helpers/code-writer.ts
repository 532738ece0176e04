import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Code } from '../../src/registry/registry.ts';

/** Makes versions of functions' code for engines that have no registry. */
export class CodeWriter {
  readonly #root: string;
  readonly #versions = new Map<string, Promise<Code>>();

  constructor(root: string) {
    this.#root = root;
  }

  /** A version never changes once it is there: written once, whoever asks for it at the same time. */
  write(name: string, text: string): Promise<Code> {
    const known = this.#versions.get(`${name}\0${text}`) ?? writeCode(this.#root, name, text);
    this.#versions.set(`${name}\0${text}`, known);
    return known;
  }
}

async function writeCode(root: string, name: string, text: string): Promise<Code> {
  const version = Buffer.from(text).toString('hex').slice(-64).padStart(64, '0');
  const dir = join(root, name, version);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'lambda_func.py'), text);
  return { name, version, dir };
}
