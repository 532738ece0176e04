import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checksum } from '../body/checksum.ts';

/** What an upload in parts was begun with; kept as JSON in its directory. */
export interface UploadInfo {
  readonly bucket: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly algorithm: Checksum['algorithm'] | null;
  readonly type: Checksum['type'];
  readonly startedMs: number;
}

export interface Part {
  readonly number: number;
  /** The hex of its MD5. */
  readonly etag: string;
  readonly size: number;
  readonly modifiedMs: number;
  readonly checksum: Checksum | null;
}

export interface Upload {
  readonly id: string;
  readonly info: UploadInfo;
  readonly parts: Map<number, Part>;
}

export const INFO = 'upload.json';
/** `<number>.json` says which file is the part of that number. */
const PART = /^\d{1,5}\.json$/;

/** The content is in the name: a part that is replaced does not change under its description. */
export function partFile({ number, etag }: Part): string {
  return `${number}-${etag}.part`;
}

/**
 * An upload as its directory has it, or null where it was not begun to the end. What a process that was killed has left
 * in there, a part without a description or the rest of a file, is removed.
 */
export async function readUpload(dir: string, id: string): Promise<Upload | null> {
  const names = await readdir(dir);
  if (!names.includes(INFO)) return null;
  const info = (await readJson(join(dir, INFO))) as UploadInfo;
  const parts = new Map<number, Part>();
  for (const name of names.filter((one) => PART.test(one))) {
    const part = (await readJson(join(dir, name))) as Part;
    parts.set(part.number, part);
  }
  const known = new Set([
    INFO,
    ...[...parts.values()].flatMap((part) => [`${part.number}.json`, partFile(part)]),
  ]);
  for (const name of names.filter((one) => !known.has(one))) await rm(join(dir, name));
  return { id, info, parts };
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is damaged: remove its directory`, { cause });
  }
}
