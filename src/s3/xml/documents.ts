import { S3Error } from '../errors.ts';
import { KEY_MAX_BYTES } from '../request.ts';
import { type Node, readXml } from './read.ts';

const DELETE_MAX = 1000;
const PARTS_MAX = 10_000;

/** What DeleteObjects is asked for. Throws MalformedXML. */
export function deleteList(bytes: Buffer): { keys: readonly string[]; isQuiet: boolean } {
  const root = readRoot(bytes, 'Delete');
  const objects = childrenOf(root, 'Object');
  if (objects.length === 0 || objects.length > DELETE_MAX) throw new S3Error('MalformedXML');
  for (const object of objects) {
    if (object.children.some(({ name }) => name !== 'Key'))
      throw new S3Error('NotImplemented', 'delete by key alone');
  }
  const keys = objects.map((object) => textOf(object, 'Key'));
  if (keys.some((key) => Buffer.byteLength(key) > KEY_MAX_BYTES)) throw new S3Error('KeyTooLongError');
  return { keys, isQuiet: childrenOf(root, 'Quiet').at(0)?.text.trim() === 'true' };
}

export interface NamedPart {
  readonly number: number;
  /** Without quotes. */
  readonly etag: string;
  /** Whatever Checksum elements were there, by lower-case algorithm. */
  readonly checksums: ReadonlyMap<string, string>;
}

/** The parts that CompleteMultipartUpload names. Throws MalformedXML. */
export function partList(bytes: Buffer): readonly NamedPart[] {
  const parts = childrenOf(readRoot(bytes, 'CompleteMultipartUpload'), 'Part');
  if (parts.length === 0 || parts.length > PARTS_MAX) throw new S3Error('MalformedXML');
  return parts.map((part) => {
    const number = textOf(part, 'PartNumber').trim();
    if (!/^\d{1,5}$/.test(number)) throw new S3Error('MalformedXML');
    const found = part.children.filter(({ name }) => name.startsWith('Checksum'));
    const checksums = new Map(
      found.map(({ name, text }) => [name.slice('Checksum'.length).toLowerCase(), text]),
    );
    return { number: Number(number), etag: textOf(part, 'ETag').trim().replaceAll('"', ''), checksums };
  });
}

/** CreateBucket may say where; here everywhere is the same. Throws MalformedXML for anything else. */
export function checkBucketConfiguration(bytes: Buffer): void {
  if (bytes.length > 0) readRoot(bytes, 'CreateBucketConfiguration');
}

function readRoot(bytes: Buffer, name: string): Node {
  const root = readXml(bytes);
  if (root.name !== name) throw new S3Error('MalformedXML');
  return root;
}

function childrenOf(node: Node, name: string): readonly Node[] {
  return node.children.filter((child) => child.name === name);
}

function textOf(node: Node, name: string): string {
  const [child, other] = childrenOf(node, name);
  if (child === undefined || other !== undefined || child.text === '') throw new S3Error('MalformedXML');
  return child.text;
}
