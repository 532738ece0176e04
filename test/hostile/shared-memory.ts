import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Prepared } from './escapes.ts';
import { NUMBERS } from './forbidden-calls.ts';
import type { Stage } from './stage.ts';

const PROGRAM = join(import.meta.dirname, '../fixtures/shared-ipc.py');
/** Of what is in the sandboxes' own ipc namespace, and of what is in the machine's. */
const [KEY, THEIRS] = [0x6f6c0001, 0x6f6c0002];

/** What can be shared, made for everybody where the sandboxes are, as a function would that could, and on the machine. */
export async function shareMemory({ worker }: Stage): Promise<Prepared> {
  const machines = readlinkSync('/proc/self/ns/ipc');
  const inside = worker.tree().find(({ pid }) => readlinkSync(`/proc/${pid}/ns/ipc`) !== machines);
  const places = [
    [`/proc/${inside?.pid}/ns/ipc`, KEY],
    ['/proc/self/ns/ipc', THEIRS],
  ];
  const child = spawn('/usr/bin/python3', ['-I', PROGRAM, JSON.stringify(places)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), closed]);
  if (typeof line !== 'string') throw new Error(`nothing was shared: it ended with ${line}`);
  return {
    event: { numbers: NUMBERS, key: KEY, theirs: THEIRS, ids: JSON.parse(line)[0] },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      const [code] = await closed;
      if (code !== 0) throw new Error(`what was shared was not there any more: ${code}`);
    },
  };
}
