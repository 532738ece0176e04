/** The part of the matrix that fits into every run: in each cell, some calls with and without packages. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../helpers/cluster.ts';
import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { TestWorker } from '../helpers/worker.ts';
import { CELLS, type Cell, nameOf, whyImpossible } from '../matrix/cells.ts';
import { Services, whyNotHere } from '../matrix/services.ts';

leavesNothing();

/** Another S3 server makes no difference to a worker that the contract suites of the registry would not find. */
const cells = CELLS.filter((cell) => whyImpossible(cell) === null && cell.registry !== 'rclone');

/** Each import of it gives another name; so it is the same one in sandboxes that were forked from it. */
const LOWER = 'import os, time\ntime.sleep(0.02)\nNAME = os.urandom(8).hex()\n';
const PLAIN = 'import os\nNAME = os.urandom(8).hex()\ndef handler(event): return [event, NAME]\n';
const PACKED = 'from upper import NAME\ndef handler(event): return [event, NAME]\n';

let services: Services;
let index: TestIndex;
beforeAll(async () => {
  services = new Services();
  index = await TestIndex.start();
  index.add({ name: 'lower', version: '1.0', files: { 'lower.py': LOWER } });
  index.add({
    name: 'upper',
    version: '1.0',
    files: { 'upper.py': 'from lower import NAME\n' },
    requires: ['lower'],
  });
});
afterAll(async () => {
  await index[Symbol.asyncDispose]();
  try {
    expect(await services.takeContainersLeft()).toEqual([]);
  } finally {
    await services[Symbol.asyncDispose]();
  }
});

/** What a function that answers with its event and a name calls itself, and how its sandbox was found or made. */
async function call(worker: TestWorker, name: string): Promise<{ said: string; start: string | undefined }> {
  const { status, body, headers } = await worker.call(name, 'an event');
  expect([status, body]).toEqual([200, expect.stringMatching(/^\["an event", "[0-9a-z]+"\]$/)]);
  return { said: JSON.parse(body)[1], start: headers['x-openlambda-start']?.toString() };
}

async function checkCell(cell: Cell): Promise<void> {
  const hasHandlerCache = cell.caches === 'handler' || cell.caches === 'both';
  const hasImportCache = cell.caches === 'import' || cell.caches === 'both';
  await using cluster = await TestCluster.create(await services.for(cell));
  await using worker = await TestWorker.start({ pip_mirror: index.url, spare_sandboxes: 2 }, cluster);
  expectError(await worker.call('plain'), 'ERR_NO_FUNCTION');

  await cluster.writeFunction('plain', PLAIN);
  const first = await call(worker, 'plain');
  const second = await call(worker, 'plain');
  expect([first.start, second.start]).toEqual(['cold', hasHandlerCache ? 'warm' : 'cold']);
  expect(second.said === first.said).toBe(hasHandlerCache);

  await cluster.replaceFunction('plain', 'def handler(event): return [event, "edited"]\n');
  expect((await call(worker, 'plain')).said).toBe('edited');

  await cluster.writeFunction('packed', { 'packages.txt': 'upper\n', 'lambda_func.py': PACKED });
  const old = await call(worker, 'packed');
  await cluster.replaceFunction('packed', `${PACKED}# edited: another sandbox\n`);
  const edited = await call(worker, 'packed');
  expect([old.start, edited.start]).toEqual(Array(2).fill(hasImportCache ? 'zygote' : 'cold'));
  expect(edited.said === old.said).toBe(hasImportCache);
}

describe('a worker', () => {
  for (const cell of cells) {
    test(`of the cell ${nameOf(cell)} has its code, its packages, and the caches that it should`, async ({
      skip,
    }) => {
      const why = whyNotHere(cell);
      if (why !== null) skip(why);
      await checkCell(cell);
    });
  }
});
