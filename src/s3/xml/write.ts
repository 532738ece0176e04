/** XML as nested arrays: a name and what is in it; null is left out. */
export type Content = string | number | boolean | readonly Element[];
export type Element = readonly [name: string, content: Content] | null;

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** A whole document; `isPlain` leaves out S3's namespace, as its errors do. */
export function writeXml(name: string, content: Content, isPlain = false): string {
  const space = isPlain ? '' : ` xmlns="${NAMESPACE}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${name}${space}>${write(content)}</${name}>`;
}

function write(content: Content): string {
  if (typeof content !== 'object') return escapeXml(String(content));
  return content.map((one) => (one === null ? '' : `<${one[0]}>${write(one[1])}</${one[0]}>`)).join('');
}

/** Control characters, which XML 1.0 has no way to say, become references as S3 writes them; `encoding-type=url` avoids them. */
function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"\p{Cc}\ufffe\uffff]/gu, (char) => `&#${char.charCodeAt(0)};`);
}
