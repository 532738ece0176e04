import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { connectWorker, type WorkerClient } from '../../../src/client/worker-client.ts';

const open: { server: Server; client: WorkerClient }[] = [];

afterEach(() => {
  for (const { server, client } of open.splice(0)) {
    client.close();
    server.closeAllConnections();
    server.close();
  }
});

/** A client of a real server that answers as it is told. */
async function serve(listener: RequestListener): Promise<WorkerClient> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const client = connectWorker(`http://127.0.0.1:${address.port}/`);
  open.push({ server, client });
  return client;
}

test('a ping gives the status line and the text', async () => {
  const client = await serve((_, response) => response.end('ready\n'));
  expect(await client.status()).toEqual({ status: 200, statusText: 'OK', text: 'ready' });
});

test('an invocation posts JSON and gives back what was answered, errors as well', async () => {
  const client = await serve(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    response.writeHead(body === '' ? 500 : 200, { 'x-saw': `${request.method} ${request.url}` });
    response.end(body);
  });
  const answer = await client.invoke('héllo', { name: 'Ålice' });
  expect(answer).toMatchObject({ status: 200, body: '{"name":"Ålice"}' });
  expect(answer.headers['x-saw']).toBe('POST /runLambda/h%C3%A9llo');
  expect((await client.invoke('hello')).status).toBe(500);
});

test('the list of sandboxes is read, and its absence is an error', async () => {
  let status = 200;
  const client = await serve((_, response) =>
    response.writeHead(status).end('{"sandboxes":[{"id":"hello/3"}]}'),
  );
  expect(await client.sandboxes()).toEqual([{ id: 'hello/3' }]);
  status = 404;
  await expect(client.sandboxes()).rejects.toMatchObject({ code: 'ERR_NO_ANSWER' });
});

test('a worker that is not there, hangs up, or is silent, does not answer', async () => {
  const gone = await serve(() => {});
  for (const { server } of open.splice(0)) server.close();
  await expect(gone.status()).rejects.toMatchObject({
    code: 'ERR_NO_ANSWER',
    fields: { reason: 'ECONNREFUSED' },
  });
  const rude = await serve((request) => request.socket.destroy());
  await expect(rude.status()).rejects.toMatchObject({ fields: { reason: 'ECONNRESET' } });
  const silent = await serve(() => {});
  const asked = silent.request('/status', { timeoutMs: 50 });
  await expect(asked).rejects.toThrow('no response within 50 ms');
});
