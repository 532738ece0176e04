import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { look } from '../helpers/look.ts';
import { childrenOf, templateOf } from '../helpers/processes.ts';
import { TestWorker, useWorker } from '../helpers/worker.ts';

leavesNothing();
const worker = useWorker(['look'], { spare_sandboxes: 1, sandbox_config: { limit: 3, name: 'ä' } });

const NAMESPACES = ['user', 'pid', 'mnt', 'uts', 'net'];
const NO_CAPABILITIES = '0'.repeat(16);

/** A file in /proc of the sandbox's first process, as the machine sees it. */
async function hostFile(name: string, of: TestWorker = worker.current, function_ = 'look'): Promise<string> {
  return readFileSync(`/proc/${(await of.sandbox(function_)).pid}/${name}`, 'utf8');
}

async function hostStatus(key: string, of: TestWorker = worker.current, function_ = 'look'): Promise<string> {
  const match = new RegExp(`^${key}:[ \\t]*(.*)$`, 'm').exec(await hostFile('status', of, function_));
  return match?.[1]?.trim() ?? '';
}

async function hostNamespaces(of: TestWorker, function_: string): Promise<string[]> {
  const { pid } = await of.sandbox(function_);
  return NAMESPACES.map((name) => readlinkSync(`/proc/${pid}/ns/${name}`));
}

test('all five sets of capabilities are empty, from inside and from the host', async () => {
  const { status } = await look(worker.current, ['status']);
  for (const key of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
    expect({ [key]: status[key] }).toEqual({ [key]: NO_CAPABILITIES });
    expect({ [key]: await hostStatus(key) }).toEqual({ [key]: NO_CAPABILITIES });
  }
});

test('no_new_privs and a seccomp filter are on, from inside and from the host', async () => {
  const { status } = await look(worker.current, ['status']);
  expect(status).toMatchObject({ NoNewPrivs: '1', Seccomp: '2' });
  expect([await hostStatus('NoNewPrivs'), await hostStatus('Seccomp')]).toEqual(['1', '2']);
});

test('inside, the only user is 1000, and there are no supplementary groups', async () => {
  const { ids, groups } = await look(worker.current, ['ids', 'groups']);
  expect(ids).toEqual([1000, 1000, 1000, 1000, 1000, 1000]);
  expect(groups).toEqual([]);
  expect(await hostStatus('Groups')).toBe('');
});

test('on the host, all of its ids are one number that is not 0, and the only one that is mapped', async () => {
  await look(worker.current, []);
  const uids = (await hostStatus('Uid')).split(/\s+/);
  expect(new Set([...uids, ...(await hostStatus('Gid')).split(/\s+/)]).size).toBe(1);
  expect(Number(uids[0])).toBeGreaterThanOrEqual(0x70000000);
  for (const map of ['uid_map', 'gid_map']) {
    expect((await hostFile(map)).trim().split(/\s+/)).toEqual(['1000', uids[0], '1']);
  }
});

test('no two live sandboxes share a host uid, of one worker or of two', async () => {
  await using other = await TestWorker.start({ spare_sandboxes: 1 });
  const uids: string[] = [];
  for (const one of [worker.current, other]) {
    for (const name of ['first', 'second', 'third']) {
      await one.cluster.addFixture('look', name);
      await look(one, [], name);
      uids.push((await hostStatus('Uid', one, name)).split(/\s+/)[0] ?? '');
    }
  }
  expect(new Set(uids).size).toBe(6);
});

test('each namespace is neither the machine’s nor another sandbox’s', async () => {
  await worker.current.cluster.addFixture('look', 'beside');
  const [one, two] = [
    await look(worker.current, ['namespaces']),
    await look(worker.current, ['namespaces'], 'beside'),
  ];
  const ours = NAMESPACES.map((name) => readlinkSync(`/proc/self/ns/${name}`));
  const inside = [one, two].map(({ namespaces }) => NAMESPACES.map((name) => namespaces[name] ?? 'none'));
  expect(new Set([ours, ...inside].flat()).size).toBe(3 * NAMESPACES.length);
  expect(await hostNamespaces(worker.current, 'look')).toEqual(inside[0]);
  expect(await hostNamespaces(worker.current, 'beside')).toEqual(inside[1]);
  // No call has to do with it: test/hostile/escapes.test.ts tries them all.
  expect(one.namespaces.ipc).not.toBe(readlinkSync('/proc/self/ns/ipc'));
});

test('the spares that wait for code are as far from the host as the sandboxes', async () => {
  await look(worker.current, []);
  const { pid } = await worker.current.sandbox('look');
  const zygote = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  // The template is as the zygote is.
  const children = childrenOf(zygote).filter((child) => child !== templateOf(zygote));
  expect(children.length).toBeGreaterThan(1);
  const users = children.map((child) => readlinkSync(`/proc/${child}/ns/user`));
  expect(new Set([readlinkSync('/proc/self/ns/user'), ...users]).size).toBe(1 + children.length);
});

test('the handler is process 1, in a session of nobody, and the host name is `sandbox`', async () => {
  const { status, processes, hostname } = await look(worker.current, ['status', 'processes', 'hostname']);
  expect(status).toMatchObject({ Pid: '1', PPid: '0', NSpid: '1' });
  expect(processes).toEqual([1]);
  expect(hostname).toBe('sandbox');
});

test('the environment is PATH, HOME, LANG and ol.config, and nothing of the host’s', async () => {
  const expected = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: '/tmp',
    LANG: 'C.UTF-8',
    'ol.config': '{"limit":3,"name":"ä"}',
  };
  const { environment, initial_environment } = await look(worker.current, [
    'environment',
    'initial_environment',
  ]);
  expect(environment).toEqual(expected);
  // That of the process that it was forked from: what its interpreter was started with.
  expect(Object.fromEntries(initial_environment.map((line) => line.split(/=(.*)/s)))).toEqual({
    ...expected,
    LD_BIND_NOW: '1',
    '': undefined,
  });
});

test('sys.path is the function’s own directory and the standard library', async () => {
  const { path, directory } = await look(worker.current, ['path', 'directory']);
  expect(directory).toBe('/handler');
  expect(path[0]).toBe('/handler');
  expect(
    path.slice(1).every((entry) => /^\/usr\/lib\/python3[.\d]*(\.zip|\/lib-dynload)?$/.test(entry)),
  ).toBe(true);
});

test('a core is never dumped', async () => {
  expect((await look(worker.current, ['core_limit'])).core_limit).toEqual([0, 0]);
});

test('neither descriptors, command line nor environment name a path of the host', async () => {
  const seen = await look(worker.current, ['descriptors', 'command', 'initial_environment', 'path', 'host']);
  expect(JSON.stringify(seen)).not.toContain(worker.current.cluster.paths.root);
  const { pid } = await worker.current.sandbox('look');
  const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  expect(targets.filter((target) => target.startsWith(worker.current.cluster.paths.root))).toEqual([]);
});

test('standard input is /dev/null, output goes to /host, and there are no descriptors but its own sockets', async () => {
  const { descriptors } = await look(worker.current, ['descriptors']);
  const { 0: stdin, 1: stdout, 2: stderr, ...others } = descriptors;
  expect([stdin, stdout, stderr]).toEqual(['/dev/null', '/host/stdout', '/host/stderr']);
  expect(Object.keys(others)).toEqual(['3', '4']);
  expect(Object.values(others).every((target) => target.startsWith('socket:'))).toBe(true);
});
