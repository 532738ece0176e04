import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nextLimited, setQuota } from '../../src/linux/quota.ts';
import { ScratchQuota } from '../../src/sandbox/scratch/scratch-quota.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { QuotaDisk, whyNoQuotas } from '../helpers/quota-disk.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

const MB = 8;
const FILES = 200;
const why = whyNoQuotas();

/** Writes until it may not, and tells how far it came and what stopped it. */
const WRITER = python`
  import errno, os
  def handler(event):
      if event == 'clean':
          for name in os.listdir('/host'):
              if name.startswith('x'): os.unlink('/host/' + name)
          return 'clean'
      count = 0
      try:
          while count < 1000:
              with open('/host/x%d' % count, 'wb', buffering=0) as file:
                  if event == 'bytes': file.write(b'x' * (1024 * 1024))
              count += 1
      except OSError as error:
          return [count, errno.errorcode[error.errno]]
`;

describe.each(['user', 'project'] as const)('scratch space on a disk with quotas by %s', (kind) => {
  if (why !== null) {
    test('is bounded by the kernel', ({ skip }) => skip(why));
    return;
  }
  let disk: QuotaDisk;
  let worker: TestWorker;
  beforeAll(async () => {
    disk = await QuotaDisk.make(kind);
    worker = await TestWorker.start({
      worker_dir: join(disk.path, 'worker'),
      scratch_max_mb: MB,
      scratch_max_files: FILES,
      spare_sandboxes: 2,
    });
    await worker.cluster.writeFunction('writer', WRITER);
    await worker.cluster.addFixture('echo');
  });
  afterAll(async () => {
    await worker?.[Symbol.asyncDispose]();
    await disk?.[Symbol.asyncDispose]();
  });

  test('the log says that the kernel bounds it', () => {
    expect(worker.log).toContainEqual(
      expect.objectContaining({ msg: 'scratch space is bounded', by: `quotas by ${kind}` }),
    );
  });

  test('the function meets the bounds as an error, and can go on', async () => {
    const [mb, whyNot] = await worker.result<[number, string]>('writer', 'bytes');
    expect(whyNot).toBe('EDQUOT');
    expect(mb).toBeLessThanOrEqual(MB);
    expect(mb).toBeGreaterThanOrEqual(MB - 1);
    const { id } = await worker.sandbox('writer');
    expect(await worker.result('writer', 'clean')).toBe('clean');
    const [files, whyNoMore] = await worker.result<[number, string]>('writer', 'files');
    expect(whyNoMore).toBe('EDQUOT');
    expect(files).toBeLessThanOrEqual(FILES);
    expect(files).toBeGreaterThan(FILES - 10);
    expect((await worker.sandbox('writer')).id).toBe(id);
  });

  test('nobody else has less for it, and a new sandbox has all', async () => {
    await worker.result('writer', 'bytes');
    expect(await worker.result('echo', 1)).toBe(1);
    await worker.cluster.replaceFunction('writer', `${WRITER}\n# again\n`);
    const [mb] = await worker.result<[number, string]>('writer', 'bytes');
    expect(mb).toBeGreaterThanOrEqual(MB - 1);
  });

  test('a sandbox that is gone leaves no limit, and neither does the worker', async () => {
    const fd = openSync(disk.path, 'r');
    try {
      const countLimits = () => {
        let count = 0;
        for (let id = nextLimited(fd, kind, 1); id !== null; id = nextLimited(fd, kind, id + 1)) count++;
        return count;
      };
      await until('end of the old sandboxes', async () => {
        const living = (await worker.client.sandboxes()).length;
        return countLimits() <= living + 2;
      });
      expect(countLimits()).toBeGreaterThan(0);
      await worker.running.close();
      expect(countLimits()).toBe(0);
      await worker.running.close();
    } finally {
      closeSync(fd);
    }
  });

  test('what a killed worker has left is lifted by the next one, and nobody else', async () => {
    const fd = openSync(disk.path, 'r');
    const dir = join(disk.path, 'scratch');
    mkdirSync(dir);
    const limits = { bytes: 1024 * 1024, files: 10 };
    for (const id of [999, 1000, 1050, 1100]) setQuota(fd, kind, id, limits);
    const quota = ScratchQuota.open({ dir, limits, uidBase: 1000, uidCount: 100 });
    try {
      expect(quota?.kind).toBe(kind);
      expect([1, 1000].map((from) => nextLimited(fd, kind, from))).toEqual([999, 1100]);
    } finally {
      quota?.close();
      closeSync(fd);
    }
  });
});
