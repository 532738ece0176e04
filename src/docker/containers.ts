import type { ContainerInfo } from 'dockerode';
import { asked, type Daemon, statusOf } from './client.ts';

/** What every container of ours carries, so that nobody else's is ever taken for one. */
const CLUSTER = 'org.openlambda.cluster';
const WORKER = 'org.openlambda.worker';
const SANDBOX = 'org.openlambda.sandbox';

/** Whose containers: real paths, as the claim of a worker has them. */
export interface Owner {
  readonly cluster: string;
  /** Its directory; left out for all workers of the cluster. */
  readonly worker?: string;
}

/** A container of a cluster, as the daemon tells. */
export interface FoundContainer {
  readonly id: string;
  readonly worker: string;
  /** The sandbox that it is, `<function>/<instance>`. */
  readonly sandbox: string;
  /** `running`, `paused`, `exited`, `created`, ... */
  readonly state: string;
  readonly image: string;
  /** In ms since 1970. */
  readonly createdAt: number;
}

export function labelsOf({ cluster, worker }: Required<Owner>, sandbox: string): Record<string, string> {
  return { [CLUSTER]: cluster, [WORKER]: worker, [SANDBOX]: sandbox };
}

/** In whichever state. Throws as `asked` does. */
export async function listContainers(daemon: Daemon, owner: Owner): Promise<FoundContainer[]> {
  const label = [`${CLUSTER}=${owner.cluster}`];
  if (owner.worker !== undefined) label.push(`${WORKER}=${owner.worker}`);
  const found = await asked(daemon, 'listing containers', () =>
    daemon.docker.listContainers({ all: true, filters: { label } }),
  );
  return found.map(describe);
}

/** Ends and removes them, whatever state they are in; returns how many there were. Throws as `asked` does. */
export async function removeContainers(daemon: Daemon, owner: Owner): Promise<number> {
  const found = await listContainers(daemon, owner);
  await Promise.all(found.map(({ id }) => removeContainer(daemon, id)));
  return found.length;
}

/** Ends it and removes it with all that the daemon keeps of it. One that is gone, or goes, is no failure. */
export async function removeContainer(daemon: Daemon, id: string): Promise<void> {
  const container = daemon.docker.getContainer(id);
  await asked(daemon, `removing container ${id.slice(0, 12)}`, async () => {
    try {
      await container.remove({ force: true, v: true });
    } catch (error) {
      if (statusOf(error) === 409) await container.wait({ condition: 'removed' }).catch(ifMissing);
      else ifMissing(error);
    }
  });
}

function ifMissing(error: unknown): void {
  if (statusOf(error) !== 404) throw error;
}

function describe({ Id, Labels, State, Image, Created }: ContainerInfo): FoundContainer {
  return {
    id: Id,
    worker: Labels[WORKER] ?? '',
    sandbox: Labels[SANDBOX] ?? '',
    state: State,
    image: Image,
    createdAt: Created * 1000,
  };
}
