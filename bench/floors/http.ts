import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { SpreadRow } from '../measure/bench.ts';
import { BenchClient } from '../measure/client.ts';
import { summarize } from '../measure/stats.ts';

const SERVER = fileURLToPath(new URL('bare-server.ts', import.meta.url));

/** A bare `node:http` server in a process of its own that answers at once. Gone when disposed. */
export interface BareServer extends AsyncDisposable {
  readonly port: number;
}

export async function startBareServer(): Promise<BareServer> {
  const server = fork(SERVER, { execArgv: [] });
  const [port] = (await once(server, 'message')) as [number];
  const end = async () => {
    server.kill();
    await once(server, 'exit');
  };
  return { port, [Symbol.asyncDispose]: end };
}

/** Calls to a bare server, one every `gapMs` or one after another (see `postMany`): nothing over HTTP is quicker here. */
export async function httpFloor(samples: number, gapMs = 0, uncounted?: number): Promise<SpreadRow> {
  await using server = await startBareServer();
  const client = new BenchClient(`http://127.0.0.1:${server.port}`);
  const times = await client.postMany('/', samples, gapMs, uncounted);
  client.close();
  return { what: 'floor: a bare `node:http` server', ...summarize(times) };
}
