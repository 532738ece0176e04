import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { workerPaths } from '../../src/cluster/paths.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { type Expected, expectAnswer } from './attack.ts';
import { useStage } from './stage.ts';

leavesNothing();
const stage = useStage();

interface Case {
  readonly title: string;
  readonly program: string;
  readonly event?: unknown;
  readonly expected: Expected;
}

const timeout: Expected = { status: 504, text: /ERR_TIMEOUT.*longer than 2000 ms/ };
const outOfMemory: Expected = { status: 502, text: /ERR_OUT_OF_MEMORY.*mem_limit_mb/ };
const tooManyProcesses: Expected = { status: 502, text: /ERR_TOO_MANY_PROCESSES.*procs_max/ };
const scratchFull: Expected = { status: 502, text: /ERR_SCRATCH_FULL/ };

const CASES: readonly Case[] = [
  { title: 'a fork bomb', program: 'fork_bomb', expected: tooManyProcesses },
  {
    title: 'a thread bomb that answers',
    program: 'thread_bomb',
    event: { report: true },
    expected: { status: 200, text: /^4\d$/ },
  },
  // Its next sandbox is held back.
  { title: 'a thread bomb', program: 'thread_bomb', expected: tooManyProcesses },
  { title: 'a memory bomb', program: 'memory_bomb', expected: outOfMemory },
  { title: 'filling /tmp', program: 'fill_tmp', expected: { status: 200, text: /^\["ENOSPC", 1[56]\d+\]$/ } },
  { title: 'filling scratch', program: 'fill_scratch', expected: scratchFull },
  { title: 'using up inodes', program: 'use_up_inodes', expected: scratchFull },
  {
    title: 'using up descriptors',
    program: 'use_up_descriptors',
    expected: { status: 200, text: /^\["EMFILE", 1[12]\d\]$/ },
  },
  { title: 'an endless loop', program: 'endless_loop', expected: timeout },
  { title: 'ignoring every signal', program: 'ignore_signals', expected: timeout },
  { title: 'a daemon that forks twice', program: 'daemon', expected: { status: 200, text: /left behind/ } },
  {
    title: 'a response that is too large',
    program: 'huge_response',
    expected: { status: 502, text: /ERR_(RESPONSE_TOO_LARGE|OUT_OF_MEMORY)/ },
  },
  {
    title: 'a response of 1 GiB past the runtime',
    program: 'huge_response',
    event: { raw: true },
    expected: { status: 502, text: /ERR_RESPONSE_TOO_LARGE/ },
  },
  { title: 'an endless stream to stdout', program: 'endless_output', expected: timeout },
  {
    title: 'a flood of log lines',
    program: 'log_flood',
    event: { lines: 200_000 },
    expected: { status: 200, text: /printed/ },
  },
  {
    title: 'an exception text of 8 MiB',
    program: 'huge_exception',
    expected: { status: 502, text: /ERR_RESPONSE_TOO_LARGE/ },
  },
  {
    title: 'an exception text of 256 MiB',
    program: 'huge_exception',
    event: { large: true },
    expected: outOfMemory,
  },
];

test.each(CASES)('$title harms nobody, and is answered as documented', async ({
  title,
  program,
  event,
  expected,
}) => {
  await stage.current.addProgram(program);
  await stage.current.beside(title, () => expectAnswer(stage.current, event ?? {}, expected));
});

test('what a sandbox leaves running ends with it', async () => {
  await stage.current.addProgram('daemon');
  await stage.current.beside('a daemon, called again and again', async () => {
    for (let call = 0; call < 5; call++)
      await expectAnswer(stage.current, {}, { status: 200, text: /left behind/ });
  });
  const { handlers } = workerPaths(stage.current.cluster.paths, 0);
  expect(readdirSync(join(handlers, 'attacker'))).toEqual([]);
});
