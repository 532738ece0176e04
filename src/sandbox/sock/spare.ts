import { closeSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupPool } from '../../cgroup/pool.ts';
import { detachedMount } from '../../linux/mounts.ts';
import type { Log } from '../../telemetry/log.ts';
import { ServerPipe } from '../server-pipe.ts';
import { type ProcessEnd, SandboxProcess } from './process.ts';
import type { RootZygote } from './root-zygote.ts';
import { Scratch } from './scratch.ts';
import type { UidPool } from './uids.ts';

/** Where spares get what they are made of. */
export interface SpareMaterials {
  /** Scratch directories are made here, as long as nobody knows for which function. */
  readonly sparesDir: string;
  readonly uids: UidPool;
  /** Null for no bounds. */
  readonly cgroups: CgroupPool | null;
  readonly log: Log;
}

/** All that a sandbox is made of but code: a process that waits for it, in a cgroup, with a scratch directory. */
export class Spare {
  readonly process: SandboxProcess;
  readonly scratch: Scratch;
  /** Connected already; closed when the process has ended. */
  readonly pipe: ServerPipe;
  /** Resolves when the process has ended and all that it had is given back or removed. Never rejects. */
  readonly gone: Promise<ProcessEnd>;

  constructor(id: number, zygote: RootZygote, { sparesDir, uids, cgroups, log }: SpareMaterials) {
    using undo = new DisposableStack();
    const uid = uids.take();
    undo.defer(() => uids.giveBack(uid));
    const scratch = new Scratch(join(sparesDir, String(id)), uid);
    undo.defer(() => discard(scratch));
    const cgroup = cgroups?.take() ?? null;
    undo.defer(() => cgroup !== null && cgroups?.giveBack(cgroup));
    const mount = detachedMount(scratch.dir, 'writable');
    undo.defer(() => closeSync(mount));
    this.process = new SandboxProcess(zygote, {
      id,
      uid,
      cgroup,
      scratch: mount,
      listener: scratch.listener,
    });
    this.scratch = scratch;
    this.pipe = new ServerPipe(scratch.connection);
    undo.move();
    this.gone = this.process.ended.then(async (end) => {
      this.pipe.close();
      if (end.failure !== null) log.error({ failure: end.failure }, 'sandbox could not be made');
      if (cgroup !== null) cgroups?.giveBack(cgroup);
      await scratch
        .remove()
        .catch((error) => log.error({ err: error, dir: scratch.dir }, 'scratch not removed'));
      uids.giveBack(uid);
      return end;
    });
  }
}

function discard(scratch: Scratch): void {
  closeSync(scratch.listener);
  closeSync(scratch.connection);
  void scratch.remove();
}
