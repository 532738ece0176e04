import { beforeEach, expect, test } from 'vitest';
import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { quotasOfTests } from '../helpers/quota-disk.ts';
import { TestWorker, useWorker } from '../helpers/worker.ts';

leavesNothing();

const MB = 16;
const FILES = 500;
const worker = useWorker(['echo'], { scratch_max_mb: MB, scratch_max_files: FILES, pause_delay_ms: 0 });

const WRITER = python`
  import mmap, os, time
  kept = []
  def fill(mb, path):
      with open(path, 'ab', buffering=0) as file:
          for _ in range(mb): file.write(b'x' * (1024 * 1024))
  def handler(event):
      what, value = event
      if what == 'large':
          fill(value, '/host/large')
      if what == 'several':
          for number in range(value): fill(1, '/host/%d' % number)
      if what == 'more':
          fill(value, '/host/more')
          return os.stat('/host/more').st_size >> 20
      if what == 'files':
          for number in range(value): open('/host/%d' % number, 'w').close()
      if what == 'nested':
          os.chdir('/host')
          for _ in range(value):
              os.mkdir('d')
              os.chdir('d')
      if what == 'print':
          for _ in range(value): print('x' * (1024 * 1024), flush=True)
      if what == 'open' or what == 'mapped':
          for _ in range(value):
              file = open('/host/gone', 'w+b', buffering=0)
              os.unlink('/host/gone')
              file.write(b'x' * (1024 * 1024))
              kept.append(file if what == 'open' else mmap.mmap(file.fileno(), 4096))
      if what == 'reserve':
          fd = os.open('/host/reserved', os.O_CREAT | os.O_RDWR)
          os.posix_fallocate(fd, 0, value * 1024 * 1024)
          return os.fstat(fd).st_size >> 20
      if what == 'links':
          for number, target in enumerate(['/usr', '/', '..', '/packages', '/proc']):
              os.symlink(target, '/host/link%d' % number)
      if what == 'child':
          if os.fork() == 0:
              os.chdir('/host')
              fill(value, '/host/child')
              time.sleep(60)
      time.sleep(60 if what != 'links' else 0.5)
      return 'survived'
`;

async function write(name: string): Promise<void> {
  await worker.current.cluster.writeFunction(name, WRITER);
}

// With quotas, the function meets the bound itself: test/integration/scratch-quota.test.ts.
beforeEach(({ skip }) =>
  skip(quotasOfTests().length > 0, 'quotas of the kernel bound the files of tests here'),
);

const ended = (name: string) =>
  worker.current.log.find(
    (line) =>
      line.msg === 'sandbox ended for its scratch space' && `${line.sandboxId}`.startsWith(`${name}/`),
  );

test.each([
  ['one large file', ['large', MB + 8], /more than 16 MB.*scratch_max_mb/],
  ['several files', ['several', MB + 8], /more than 16 MB/],
  ['what is printed', ['print', MB + 8], /more than 16 MB/],
  ['files that were removed and are open', ['open', MB + 8], /more than 16 MB/],
  ['files that were removed and are mapped', ['mapped', MB + 8], /more than 16 MB/],
  ['what a child process writes', ['child', MB + 8], /more than 16 MB/],
  ['empty files', ['files', FILES + 100], /more than 500 files.*scratch_max_files/],
  ['directories in directories', ['nested', FILES + 100], /more than 500 files/],
] as const)('%s beyond the bound: 502 that says so, in the log too, and the next call is fine', async (what, event, message) => {
  const name = what.replaceAll(' ', '-');
  await write(name);
  expectError(await worker.current.call(name, event), 'ERR_SCRATCH_FULL', message);
  expect(ended(name)).toMatchObject({ sandboxId: expect.stringMatching(new RegExp(`^${name}/\\d+$`)) });
  expect(await worker.current.result(name, ['more', 1])).toBe(1);
});

test('what is within the bounds is let be: files, directories, links to large ones', async () => {
  await write('modest');
  expect(await worker.current.result('modest', ['more', MB - 4])).toBe(MB - 4);
  expect(await worker.current.result('modest', ['links', 0])).toBe('survived');
  expect(ended('modest')).toBeUndefined();
});

test('calls that each write a little are counted together, however short they are', async () => {
  await write('little');
  let most = 0;
  await until('fresh sandbox', async () => {
    const { status, body } = await worker.current.call('little', ['more', 1]);
    const mb = status === 200 ? Number(body) : 0;
    const isFresh = mb < most;
    most = Math.max(most, mb);
    return isFresh;
  });
  expect(most).toBeGreaterThanOrEqual(MB - 1);
  expect(ended('little')).toBeDefined();
});

test('space that is reserved is written, and so counts as it comes', async () => {
  await write('reserve');
  expect(await worker.current.result('reserve', ['reserve', 4])).toBe(4);
  await until('end', async () => {
    await worker.current.call('reserve', ['reserve', 32]);
    return ended('reserve') !== undefined;
  });
});

test('a sandbox that fills its scratch space after its answer is ended, and no client notices', async () => {
  await using slow = await TestWorker.start({
    scratch_max_mb: MB,
    scratch_max_files: FILES,
    pause_delay_ms: 60_000,
  });
  await slow.cluster.writeFunction(
    'behind',
    python`
    import os, threading, time
    def fill():
        time.sleep(0.5)  # until the answer is out
        with open('/host/large', 'wb', buffering=0) as file:
            while True: file.write(b'x' * 65536)
    def handler(event):
        if event == 'fill': threading.Thread(target=fill, daemon=True).start()
        return os.path.exists('/host/large')
  `,
  );
  await slow.result('behind', 'fill');
  await until('end', () => slow.log.some(({ msg }) => msg === 'sandbox ended for its scratch space'));
  expect(await slow.result('behind', 'look')).toBe(false);
});
