const MAX_CHARACTERS = 1500;
/** What tools draw around their words. */
const DRAWN = /^[\s×│├╰─▶╭┬↳✗✘|`-]+/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is replaced
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;
const ERROR = /^(error|ERROR): /;

/** What an installer said, as one line for a message: its last words, without drawings and control characters. */
export function describeSaid(text: string): string {
  const lines = text.split('\n').map((line) => line.replace(DRAWN, '').replace(ERROR, '').trim());
  const said = lines
    .filter((line) => line !== '')
    .join(' ')
    .replace(CONTROL, ' ');
  if (said === '') return 'the installer said nothing';
  return said.length <= MAX_CHARACTERS ? said : `… ${said.slice(-MAX_CHARACTERS)}`;
}
