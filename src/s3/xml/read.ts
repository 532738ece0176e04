import { S3Error } from '../errors.ts';

/** An element: text, or elements. Attributes are passed over. */
export interface Node {
  readonly name: string;
  readonly text: string;
  readonly children: readonly Node[];
}

const DEPTH_MAX = 8;
const TAG = /^<(\/?)([A-Za-z][\w.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
/** What XML 1.0 has no way to say; S3 takes references to control characters in keys nevertheless. */
const CODE_POINT_MAX = 0x10ffff;

interface Open {
  readonly name: string;
  text: string;
  readonly children: Node[];
}

/**
 * Reads the small XML documents that S3's clients send: elements and text, the five entities and numeric references. No
 * document type, no other entity, no processing instruction, no CDATA. Throws MalformedXML.
 */
export function readXml(bytes: Buffer): Node {
  let rest = decodeUtf8(bytes).replace(/^\s*(?:<\?xml\s[^?<>]*\?>)?\s*/, '');
  const root: Open = { name: '', text: '', children: [] };
  const stack: Open[] = [root];
  while (rest !== '') {
    const here = stack.at(-1) ?? root;
    const comment = /^<!--(?:(?!--)[\s\S])*-->/.exec(rest);
    const text = rest.startsWith('<') ? null : rest.slice(0, textLength(rest));
    if (text !== null) here.text += resolveReferences(text);
    const taken = text ?? comment?.[0] ?? takeTag(rest, stack);
    rest = rest.slice(taken.length);
  }
  const [document] = root.children;
  if (stack.length !== 1 || document === undefined || root.children.length > 1 || root.text.trim() !== '') {
    throw new S3Error('MalformedXML');
  }
  return document;
}

function textLength(rest: string): number {
  const next = rest.indexOf('<');
  return next === -1 ? rest.length : next;
}

/** Opens or closes an element; returns what it took. */
function takeTag(rest: string, stack: Open[]): string {
  const [whole, slash, name, , selfClosing] = TAG.exec(rest.slice(0, 1024)) ?? [];
  if (whole === undefined || name === undefined) throw new S3Error('MalformedXML');
  if (slash !== '/') {
    if (stack.length > DEPTH_MAX) throw new S3Error('MalformedXML');
    stack.push({ name, text: '', children: [] });
  }
  if (slash === '/' || selfClosing === '/') {
    const closed = stack.pop();
    const parent = stack.at(-1);
    if (closed?.name !== name || parent === undefined) throw new S3Error('MalformedXML');
    parent.children.push(closed);
  }
  return whole;
}

function resolveReferences(text: string): string {
  return text.replaceAll(/&([^;]{0,10})(;?)/g, (_, name: string, end: string) => {
    const [, hex, decimal] = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(name) ?? [];
    const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    const isPoint = point <= CODE_POINT_MAX && !(point >= 0xd800 && point < 0xe000);
    const found = isPoint ? String.fromCodePoint(point) : ENTITIES[name];
    if (end === '' || found === undefined) throw new S3Error('MalformedXML');
    return found;
  });
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new S3Error('MalformedXML', undefined, { cause });
  }
}
