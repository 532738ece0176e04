/** Python source in a template, without the indentation that it has there; the first line is line 1. */
export function python(strings: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  const lines = String.raw(strings, ...values)
    .replace(/^\n/, '')
    .trimEnd()
    .split('\n');
  const indents = lines.filter((line) => line.trim() !== '').map((line) => line.search(/\S/));
  const indent = Math.min(...indents);
  return `${lines.map((line) => line.slice(indent)).join('\n')}\n`;
}
