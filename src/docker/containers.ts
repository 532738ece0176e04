import type { ContainerInfo } from 'dockerode';
import { asked, type Daemon, statusOf } from './client.ts';

/** What every container of ours carries, so that nobody else's is ever taken for one. */
const CLUSTER = 'org.openlambda.cluster';
const WORKER = 'org.openlambda.worker';
const SANDBOX = 'org.openlambda.sandbox';

/** As docker-modem wants them: what is not named is an error without a name. */
const WAIT_STATUSES = { 200: true, 400: 'bad parameter', 404: 'no such container', 500: 'server error' };

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

/**
 * Resolves to a container's status when it has ended, or, with `removed`, when the daemon has forgotten it. Rejects as `asked` does,
 * also where the daemon goes away meanwhile: the library's own `wait` reads the answer to an end that never comes then.
 */
export async function waitForContainer(daemon: Daemon, id: string, until: 'not-running' | 'removed') {
  return await asked(daemon, `waiting for container ${id.slice(0, 12)}`, async () => {
    const path = `/containers/${id}/wait?condition=${until}`;
    const answer = await new Promise<NodeJS.ReadableStream>((resolve, reject) => {
      const request = { path, method: 'POST', isStream: true, statusCodes: WAIT_STATUSES };
      daemon.docker.modem.dial(request, (error, stream) =>
        error ? reject(error) : resolve(stream as NodeJS.ReadableStream),
      );
    });
    let text = '';
    for await (const chunk of answer) text += chunk;
    return (JSON.parse(text) as { StatusCode: number }).StatusCode;
  });
}

/** Ends it and removes it with all that the daemon keeps of it. One that is gone, or goes, is no failure. */
export async function removeContainer(daemon: Daemon, id: string): Promise<void> {
  const container = daemon.docker.getContainer(id);
  await asked(daemon, `removing container ${id.slice(0, 12)}`, async () => {
    try {
      await container.remove({ force: true, v: true });
    } catch (error) {
      if (statusOf(error) === 409) await waitForContainer(daemon, id, 'removed').catch(ifMissing);
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
