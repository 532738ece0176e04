import { parseXml } from '@rgrove/parse-xml';

/** The code in an error's XML; throws where that is not well-formed. */
export function codeIn(body: string): string {
  const root = parseXml(body).root;
  const [code] = root?.children.filter((one) => 'name' in one && one.name === 'Code') ?? [];
  return root?.name === 'Error' ? ((code as { text?: string } | undefined)?.text ?? '') : '';
}
