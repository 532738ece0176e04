/** The long flags of all commands, and whether one takes a value. Commander knows them again, with their meaning. */
const FLAGS: Readonly<Record<string, 'value' | 'alone'>> = {
  'access-key': 'value',
  address: 'value',
  base: 'value',
  budget: 'value',
  clients: 'value',
  cluster: 'value',
  config: 'value',
  cores: 'value',
  costs: 'value',
  dockerfile: 'value',
  'dry-run': 'alone',
  file: 'value',
  foreground: 'alone',
  handler: 'value',
  help: 'alone',
  host: 'value',
  json: 'alone',
  'num-workers': 'value',
  out: 'value',
  policy: 'value',
  port: 'value',
  rounds: 'value',
  'secret-key': 'value',
  seed: 'value',
  svg: 'value',
  tag: 'value',
  tree: 'value',
  version: 'alone',
  workload: 'value',
};

/**
 * Makes Go's way to write flags commander's: `-cluster x` and `-cluster=x` become `--cluster x` and `--cluster=x`. A
 * misspelt one (`-clustre`) gets its second dash, too, so that the nearest name is found. Short flags (`-h`), the
 * values of flags, and what follows `--` stay as they are.
 */
export function normaliseFlags(args: readonly string[]): string[] {
  const end = args.indexOf('--');
  const words = end === -1 ? args : args.slice(0, end);
  let valueNext = false;
  const normal = words.map((word) => {
    if (valueNext) {
      valueNext = false;
      return word;
    }
    const flag = /^-[a-z][\w-]+(=|$)/i.test(word) ? `-${word}` : word;
    valueNext = flag.startsWith('--') && FLAGS[flag.slice(2)] === 'value';
    return flag;
  });
  return end === -1 ? normal : [...normal, ...args.slice(end)];
}
