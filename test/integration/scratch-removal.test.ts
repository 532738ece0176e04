import { expect, test } from 'vitest';
import { namesIn } from '../helpers/handler-files.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
const worker = useWorker(['echo']);

let made = 0;

test.each([
  ['directories deeper than any path can be', "for _ in range(3000): os.mkdir('d'); os.chdir('d')"],
  [
    'names of bytes that are no text',
    "open(b'\\xff\\xfe', 'w').close(); os.mkdir(b'\\xe4'); open(b'\\xe4/\\xff', 'w').close()",
  ],
  [
    'what may not be entered',
    "os.mkdir('shut'); open('shut/file', 'w').close(); os.chmod('shut', 0); os.chmod('/host', 0)",
  ],
  ['many files', "for n in range(3000): open(str(n), 'w').close()"],
  [
    'sockets, pipes and links that lead nowhere',
    "os.mkfifo('pipe'); os.symlink('/nowhere', 'link'); os.symlink('loop', 'loop')",
  ],
])('a handler that leaves %s in its scratch space leaves nothing', async (_what, line) => {
  const name = `leaver${made++}`;
  await worker.current.cluster.writeFunction(
    name,
    python`
    import os
    def handler(event):
        os.chdir('/host')
        ${line}
        os._exit(0)
  `,
  );
  expect((await worker.current.call(name)).status).toBe(502);
  await until(
    'end of its scratch space',
    async () => (await namesIn(worker.current.scratch(name))).length === 0,
  );
  expect(await worker.current.result('echo', 1)).toBe(1);
});
