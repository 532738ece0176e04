import { connect, createServer } from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Turn } from '../../../src/functions/turn.ts';

test('is the same until the event loop has gone on, whatever is awaited meanwhile', async () => {
  const turn = new Turn();
  const first = turn.number;
  await Promise.resolve();
  await new Promise((resolve) => process.nextTick(resolve));
  expect(turn.number).toBe(first);
  // The first comes at the end of the turn in which it was asked for.
  await immediate();
  await immediate();
  expect(turn.number).not.toBe(first);
});

test('is another one for what has been sent after it began', async () => {
  const turn = new Turn();
  const seen: number[] = [];
  const server = createServer((socket) => {
    socket.on('data', () => {
      seen.push(turn.number);
      socket.write('.');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const client = connect({ host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 });
  client.write('.');
  await new Promise((resolve) => {
    client.on('data', () => {
      if (seen.length < 100) client.write('.');
      else resolve(null);
    });
  });
  expect(new Set(seen).size).toBe(seen.length);
  client.destroy();
  server.close();
});
