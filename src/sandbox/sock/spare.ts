import { closeSync } from 'node:fs';
import type { CgroupPool } from '../../cgroup/pool.ts';
import { detachedMount } from '../../linux/mounts.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ScratchPool } from '../scratch/scratch-pool.ts';
import { ServerPipe } from '../server-pipe.ts';
import { type ProcessEnd, SandboxProcess } from './process.ts';
import { Scratch } from './scratch.ts';
import type { Root, Zygote } from './zygote.ts';

/** Where spares get what they are made of. */
export interface SpareMaterials {
  readonly scratches: ScratchPool;
  /** Null for no bounds. */
  readonly cgroups: CgroupPool | null;
  readonly log: Log;
  /**
   * Told the pid of each sandbox that has answered for the first time; left out where nobody wants to know. What it returns
   * resolves when the process has been looked at: it is better not to end it before.
   */
  readonly answered?: ((pid: number) => Promise<void> | null) | undefined;
}

/** All that a sandbox is made of but code: a process that waits for it, in a cgroup, with a scratch directory. */
export class Spare {
  readonly process: SandboxProcess;
  readonly scratch: Scratch;
  /** The root zygote that it descends from. */
  readonly root: Root;
  /** Connected already; its other end closes with the process. */
  readonly pipe: ServerPipe;
  /** Resolves when the process has ended and all that it had is given back or removed. Never rejects. */
  readonly gone: Promise<ProcessEnd>;
  /** What is to be told when it has answered as a sandbox for the first time. */
  readonly answered: SpareMaterials['answered'];
  #kept: Promise<void> = Promise.resolve();
  #isUsedUp = false;

  constructor(id: number, zygote: Zygote, { scratches, cgroups, log, answered }: SpareMaterials) {
    using undo = new DisposableStack();
    const dir = scratches.take();
    undo.defer(() => void scratches.giveBack(dir));
    const scratch = new Scratch(dir);
    undo.defer(() => closeEnds(scratch));
    const cgroup = cgroups?.take() ?? null;
    undo.defer(() => cgroup !== null && cgroups?.giveBack(cgroup));
    const mount = detachedMount(scratch.dir.path, 'writable');
    undo.defer(() => closeSync(mount));
    const { uid } = dir;
    this.root = zygote.root;
    this.process = new SandboxProcess(zygote, {
      id,
      uid,
      cgroup,
      scratch: mount,
      listener: scratch.listener,
    });
    this.answered = answered;
    this.scratch = scratch;
    this.pipe = new ServerPipe(scratch.connection);
    undo.move();
    this.gone = this.process.ended.then(async (end) => {
      // A spare that was forked in the same go has a copy of the listener until it has run for the first time. So what is
      // still open after a while has never been accepted: nobody has read from it.
      await this.pipe.closedByPeer();
      if (end.failure !== null) log.error({ failure: end.failure }, 'sandbox could not be made');
      if (cgroup !== null) cgroups?.giveBack(cgroup);
      await this.#kept;
      await (this.#isUsedUp ? scratches.discard(dir) : scratches.giveBack(dir));
      return end;
    });
  }

  /** Its scratch directory stays as it is until then; told before its process has ended. */
  keepUntil(kept: Promise<void>): void {
    this.#kept = kept;
  }

  /** Nobody uses its scratch directory again. */
  useUp(): void {
    this.#isUsedUp = true;
  }
}

function closeEnds({ listener, connection }: Scratch): void {
  closeSync(listener);
  closeSync(connection);
}

/** Ends them; resolves when they are gone. */
export async function endSpares(spares: readonly Spare[]): Promise<void> {
  const all = [...spares]; // one that ends leaves the list that it is in
  for (const { process } of all) process.kill();
  await Promise.all(all.map(({ gone }) => gone));
}
