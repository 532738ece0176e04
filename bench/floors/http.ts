import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BenchRow } from '../measure/bench.ts';
import { BenchClient } from '../measure/client.ts';
import { summarize } from '../measure/stats.ts';

const SERVER = fileURLToPath(new URL('bare-server.ts', import.meta.url));

/** A bare `node:http` server in a process of its own that answers at once: nothing over HTTP is quicker here. */
export async function httpFloor(samples: number): Promise<BenchRow> {
  const server = fork(SERVER);
  try {
    const [port] = (await once(server, 'message')) as [number];
    const client = new BenchClient(`http://127.0.0.1:${port}`);
    const times = await client.postMany('/', samples);
    client.close();
    return { what: 'floor: a bare `node:http` server', ...summarize(times) };
  } finally {
    server.kill();
    await once(server, 'exit');
  }
}
