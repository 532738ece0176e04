import { afterAll, beforeAll, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { until } from '../helpers/poll.ts';
import { expectAnswer } from './attack.ts';
import { attackingModule, expectRefused } from './attacking-package.ts';
import { Stage, useStage } from './stage.ts';

leavesNothing();

let index: TestIndex;
beforeAll(async () => {
  index = await TestIndex.start();
});
const stage = useStage(() =>
  Stage.open({ pip_mirror: index.url, invocation_timeout_ms: 30_000, mem_limit_mb: 128 }),
);
afterAll(() => index[Symbol.asyncDispose]());

const CODE = 'import starts, sys\ndef handler(event): return [starts.found, sys.of_pth]\n';

test('the code of a .pth file and of a package that is imported runs without power, in a zygote as well', async () => {
  const { current } = stage;
  const { canary, cluster } = current;
  index.add({
    name: 'starts',
    version: '1.0',
    files: {
      'starts.py': attackingModule(canary.files, current.worker.started.port) + SIGNALS,
      'starts.pth': 'import sys, starts; sys.of_pth = starts.found\n',
    },
  });
  const write = () =>
    cluster.writeFunction('attacker', { 'packages.txt': 'starts\n', 'lambda_func.py': CODE });
  // What is installed, and the zygote, stay: they are there before.
  let rounds = 0;
  await until('sandboxes from a zygote, again and again', async () => {
    await write();
    const answers = await Promise.all([1, 2, 3, 4].map(() => current.invoke('attacker', {})));
    await current.removeFunction('attacker');
    rounds += answers.every(({ headers }) => headers['x-openlambda-start'] !== 'cold') ? 1 : 0;
    return rounds === 3;
  });
  await write();
  const answer = await current.beside('a package that attacks where it is imported', () =>
    expectAnswer(current, {}, { status: 200, text: /uid/ }),
  );
  // A zygote is root in a user namespace of its own, and nowhere else: that is all its power.
  const ofSandbox = { uid: 1000, capabilities: '0'.repeat(16) };
  for (const found of JSON.parse(answer.body)) expectRefused({ ...found, ...ofSandbox });
});

/** A zygote shares its pid namespace with all others, and sees none of them; whom could it end? */
const SIGNALS = `
import signal
found['read others'] = outcome(lambda: read([f'/proc/{pid}/environ' for pid in range(1, 50) if pid != os.getpid()][0]))
for pid in {1, 2, 3, os.getppid()} - {os.getpid(), 0}:
    found[f'connect by a signal to {pid}'] = outcome(lambda: os.kill(pid, signal.SIGKILL))
`;
