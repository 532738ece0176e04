import { connectWorker, type WorkerResponse } from '../src/client/worker-client.ts';
import { OlError } from '../src/errors.ts';

interface Call {
  readonly response: WorkerResponse;
  readonly ms: number;
}

/** Calls hello twice; returns its answer, and a line with how long each call took and what kind of start it was. */
export async function greet(url: string): Promise<[answer: string, times: string]> {
  const client = connectWorker(url);
  try {
    await client.status(); // opens the connection, so that neither call pays for it
    const call = () => timed(() => client.invoke('hello', { name: 'Alice' }));
    const calls = [await call(), await call()];
    return [calls[0]?.response.body.trim() ?? '', calls.map(describe).join(', ')];
  } finally {
    client.close();
  }
}

async function timed(work: () => Promise<WorkerResponse>): Promise<Call> {
  const start = performance.now();
  const response = await work();
  const ms = performance.now() - start;
  const { status, body } = response;
  if (status === 200) return { response, ms };
  throw new OlError('ERR_CALL_FAILED', { name: 'hello', status, body: body.trim() });
}

/** The worker tells whether the start was cold: after an earlier run of this, the first one need not be. */
function describe({ response, ms }: Call): string {
  return `${response.headers['x-openlambda-start'] ?? 'call'} ${ms.toFixed(1)} ms`;
}
