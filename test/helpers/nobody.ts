/** A user that owns nothing. */
export const NOBODY = 65534;

/**
 * A command line that runs `argv` as that user. It may read everything all the same: the checkout, and the Node in it, may be in
 * a home directory that is closed to others.
 */
export function asNobody(...argv: readonly string[]): [string, ...string[]] {
  const ids = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  const reading = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
  return ['setpriv', ...ids, ...reading, ...argv];
}
