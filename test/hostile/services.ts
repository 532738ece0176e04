import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Prepared } from './escapes.ts';
import type { Stage } from './stage.ts';

/** Where clouds keep the keys of a machine. */
const METADATA = [
  ['169.254.169.254', 80],
  ['169.254.170.2', 80],
  ['100.100.100.200', 80],
  ['fd00:ec2::254', 80],
] as const;
const NEIGHBOURS_PORT = 7711;

/** Services that a sandbox must not reach: of the machine, all of whose connections are counted, and of another sandbox. */
export async function openServices(stage: Stage): Promise<Prepared> {
  await using held = new AsyncDisposableStack();
  const everywhere = held.use(await Service.listen({ host: '::', port: 0 }));
  const abstract = held.use(await Service.listen({ path: `\0ol-hostile-${process.pid}` }));
  const services = [everywhere, abstract];
  const neighbours = `ol-neighbour-${process.pid}`;
  const theirs = await askNeighbour(stage, neighbours);
  const hosts = ['127.0.0.1', '::1', ...ownAddresses()];
  const targets = [
    ...hosts.flatMap((host) => [
      [host, stage.worker.started.port],
      [host, everywhere.port],
    ]),
    ...METADATA,
    ...theirs.map((host) => [host, NEIGHBOURS_PORT]),
  ];
  const all = held.move();
  return {
    event: {
      targets,
      abstract: [`ol-hostile-${process.pid}`, neighbours],
      sockets: [stage.canary.socket, '/run/docker.sock', '/var/run/docker.sock', '/run/systemd/private'],
    },
    async [Symbol.asyncDispose]() {
      await all.disposeAsync();
      await stage.removeFunction('neighbour');
      const reached = services.reduce((sum, service) => sum + service.connections, 0);
      if (reached > 0) throw new Error(`${reached} connections came to services of the machine`);
    },
  };
}

/** Has another function listen wherever it can; its addresses, loopback left out. */
async function askNeighbour(stage: Stage, abstract: string): Promise<string[]> {
  await stage.addProgram('escapes/neighbour', 'neighbour');
  const { status, body } = await stage.invoke('neighbour', { abstract, port: NEIGHBOURS_PORT });
  if (status !== 200) throw new Error(`the neighbour answered ${status} ${body}`);
  return JSON.parse(body);
}

function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.filter(({ internal, scopeid }) => !internal && !scopeid).map(({ address }) => address);
}

/** A server of this process that counts who comes. */
class Service implements AsyncDisposable {
  readonly #server: Server;
  connections = 0;

  static async listen(where: { host: string; port: number } | { path: string }): Promise<Service> {
    const server = createServer();
    const service = new Service(server);
    await once(server.listen(where), 'listening');
    return service;
  }

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.connections++;
      socket.destroy();
    });
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
