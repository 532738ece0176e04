/**
 * Why a link inside a function's directory is refused, or null where it cannot lead out of it. `path` is where the link
 * is, relative to the function's directory, with no link on the way.
 *
 * It may climb only at its start: there it climbs from a real directory, so that the steps can be counted. Going down
 * after that it meets entries of the function, or other links that have been checked in the same way.
 */
export function whyLinkRefused(path: string, target: string): string | null {
  if (target.startsWith('/'))
    return `is an absolute link (to ${target}): make it a relative one, or copy the file`;
  const steps = target.split('/').filter((step) => step !== '' && step !== '.');
  const down = steps.findIndex((step) => step !== '..');
  const up = down < 0 ? steps.length : down;
  const depth = path.split('/').length - 1;
  if (up > depth)
    return `is a link that leaves the function's directory (to ${target}): copy the file instead`;
  if (steps.includes('..', up))
    return `is a link with '..' in the middle (to ${target}): make it a direct one`;
  return null;
}
