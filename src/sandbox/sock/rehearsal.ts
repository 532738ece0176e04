import { chmod, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OlError } from '../../errors.ts';
import { readOnlyMount } from '../../linux/mounts.ts';
import type { Log } from '../../telemetry/log.ts';
import type { RootZygote } from './root-zygote.ts';
import { endSpares, type Spare } from './spare.ts';

/**
 * What all functions have in common, in sandboxes of ours: they are given some code that does nothing, are called, and become idle. From
 * them a root zygote learns, before there are sandboxes of others, which pages a call writes to (`hot-pages.ts`), and what is in
 * them when it is over: what a sandbox has in common with ours it gives back while it is idle (`runtime/python/memory_image.py`).
 *
 * This is a matter of memory and time only. Where it fails, or where a sandbox is like ours in nothing, it keeps its pages.
 */

const CODE = 'def handler(event):\n    return event\n';
const CALL = { body: Buffer.from('{}'), timeoutMs: 10_000, responseMaxBytes: 1024 };
/** As many as have to agree on what a call writes to. */
const SANDBOXES = 2;
/** What a sandbox does when it has had no call for a while, it has done by then (`server.py`). */
const IDLE_MS = 20;

export interface RehearsalOptions {
  readonly zygote: RootZygote;
  readonly fork: () => Spare;
  /** The directory of the code; see `writeRehearsed`. */
  readonly codeDir: string;
  readonly log: Log;
}

/** Resolves when it is over, and nothing of it is left. Never rejects. */
export async function rehearse(options: RehearsalOptions): Promise<void> {
  const { zygote, fork, log } = options;
  const spares: Spare[] = [];
  try {
    while (spares.length < SANDBOXES) spares.push(fork());
    let pid = 0;
    // One after another: only one is looked at at a time.
    for (const spare of spares) pid = await callOnce(spare, options);
    await sleep(IDLE_MS);
    await using memory = await open(`/proc/${pid}/mem`);
    const pages = await zygote.takeImage(memory.fd);
    if (!zygote.isGone) log.debug({ pages }, 'idle sandboxes give back what all have in common');
  } catch (err) {
    if (!zygote.isGone) log.warn({ err }, 'idle sandboxes keep their memory: a rehearsal failed');
  } finally {
    await endSpares(spares);
  }
}

/** Writes its code to a directory, for users of any uid to read. */
export async function writeRehearsed(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await chmod(dir, 0o755);
  const file = join(dir, 'lambda_func.py');
  await writeFile(file, CODE);
  await chmod(file, 0o644);
}

/** Returns its pid when it has answered, and been looked at. */
async function callOnce(spare: Spare, { codeDir }: RehearsalOptions): Promise<number> {
  await spare.process.waiting;
  using code = readOnlyMount(codeDir);
  spare.process.start('start', code.fd);
  const { status } = await spare.pipe.exchange(CALL);
  const pid = spare.process.pid();
  if (status !== 200 || pid === null)
    throw new OlError('ERR_ZYGOTE', { reason: `a sandbox of it answered with ${status}` });
  await spare.answered?.(pid);
  return pid;
}
