import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { expectAnswer } from './attack.ts';
import { Stage, useStage } from './stage.ts';

leavesNothing();
// With spares, scratch directories are used again: the worker opens what is left in them.
const stage = useStage(() => Stage.open({ spare_sandboxes: 2 }));

const done = (text: string) => ({ status: 200, text: new RegExp(`^"${text}"$`) });

test.each([
  'server_pipe',
  'stdout',
  'stderr',
])('whatever a handler puts in the place of %s is not followed', async (file) => {
  const { current } = stage;
  const { canary } = current;
  const targets = [...canary.files, canary.dir, canary.socket, '/nowhere', `/host/${file}`];
  const puts = [
    ...targets.map((target) => ({ kind: 'link', target })),
    { kind: 'fifo' },
    { kind: 'directory', target: canary.dir },
    { kind: 'socket' },
    { kind: 'another' },
    { kind: 'nothing' },
  ];
  await current.beside(`other things for ${file}`, async () => {
    for (const put of puts) {
      await current.addProgram('scratch/replace');
      await expectAnswer(current, { file, ...put }, done(put.kind));
      // It is served over the connection that is there, and its output is its own affair.
      await expectAnswer(current, {}, done('nothing'));
      await current.removeFunction('attacker');
    }
  });
});

test.each([
  ['ends', { end: 'exit', seconds: 0.2 }, { status: 502, text: /ERR_SANDBOX_DIED.*exit code 3/ }],
  ['is ended for its time', { end: 'hang', seconds: 0 }, { status: 504, text: /ERR_TIMEOUT/ }],
  ['is ended when its function is removed', { end: 'return', seconds: 0.2 }, done('swapping')],
] as const)('links that come and go while a sandbox %s are never followed', async (title, how, expected) => {
  const { current } = stage;
  const { canary } = current;
  const targets = [canary.dir, ...canary.files, canary.socket];
  const rounds = expected.status === 504 ? 1 : 5;
  await current.beside(`swapping files while it ${title}`, async () => {
    for (let round = 0; round < rounds; round++) {
      await current.addProgram('scratch/swap');
      await expectAnswer(current, { targets, ...how }, expected);
      await sleep(50);
      await current.removeFunction('attacker');
    }
  });
});
