import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const MODULE = join(import.meta.dirname, '../../../src/telemetry/log.ts');

test('what Node warns of is a line of the log of a service, and nothing else is printed', () => {
  const code = `
    import { serviceLog } from ${JSON.stringify(MODULE)};
    const log = serviceLog('info');
    setTimeout(() => log.info('late'), -1);
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
  });
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([
    { level: 40, warning: 'TimeoutNegativeWarning', msg: 'Node warns' },
    { level: 30, msg: 'late' },
  ]);
  expect(stderr).toBe('');
});
