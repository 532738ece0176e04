import { parseXml, XmlElement, XmlError, XmlText } from '@rgrove/parse-xml';
import { S3Error } from '../errors.ts';

/** An element: text, or elements. Attributes are passed over. */
export interface Node {
  readonly name: string;
  readonly text: string;
  readonly children: readonly Node[];
}

const DEPTH_MAX = 8;

/**
 * Reads the small XML documents that S3's clients send. No document type, so no entities but XML's own five, and no
 * processing instruction. Throws MalformedXML.
 */
export function readXml(bytes: Buffer): Node {
  const document = parse(decodeUtf8(bytes));
  const [root, other] = document.children;
  if (!(root instanceof XmlElement) || other !== undefined) throw new S3Error('MalformedXML');
  return toNode(root, 1);
}

function toNode(element: XmlElement, depth: number): Node {
  if (depth > DEPTH_MAX) throw new S3Error('MalformedXML');
  const children: Node[] = [];
  let text = '';
  for (const child of element.children) {
    if (child instanceof XmlText) text += child.text;
    else if (child instanceof XmlElement) children.push(toNode(child, depth + 1));
    else throw new S3Error('MalformedXML');
  }
  return { name: element.name, text, children };
}

function parse(text: string) {
  try {
    // Kept only to be seen, and refused, above.
    return parseXml(text, { preserveDocumentType: true });
  } catch (cause) {
    // The parser calls itself for each element in another one: a RangeError is the end of the stack.
    if (cause instanceof XmlError || cause instanceof RangeError)
      throw new S3Error('MalformedXML', undefined, { cause });
    throw cause;
  }
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new S3Error('MalformedXML', undefined, { cause });
  }
}
