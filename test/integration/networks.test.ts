import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
// Each call gets a sandbox that was made after the one before had gone.
const worker = useWorker([], { handler_cache_size: 0, spare_sandboxes: 0 });

/** Everything in /proc/net that has something to say of what went on, and which namespace it is. */
const LOOK = python`
  import os, re
  FILES = ['dev', 'snmp', 'snmp6', 'netstat', 'sockstat', 'sockstat6', 'tcp', 'tcp6', 'udp', 'udp6', 'raw', 'unix', 'igmp',
           'igmp6', 'ip6_flowlabel', 'if_inet6', 'route', 'ipv6_route', 'arp', 'netlink']
  # Of all namespaces together.
  MACHINE = re.compile(r'(orphan|alloc|mem) \d+')
  def handler(event):
      found = {name: MACHINE.sub('', open(f'/proc/net/{name}').read()) for name in FILES if os.path.exists(f'/proc/net/{name}')}
      # Which netlink sockets and unix sockets there are differs by their addresses alone.
      return {'namespace': os.readlink('/proc/self/ns/net'),
              'traces': {name: text for name, text in found.items() if name not in ('unix', 'netlink')},
              'sockets': {name: text.count('\n') for name, text in found.items() if name in ('unix', 'netlink')}}
`;

interface Look {
  readonly namespace: string;
  readonly traces: Record<string, string>;
  readonly sockets: Record<string, number>;
}

async function look(): Promise<Look> {
  return await worker.current.result<Look>('look');
}

test('a network namespace that nobody has used is used again', async () => {
  await worker.current.cluster.writeFunction('look', LOOK);
  const seen = new Set<string>();
  for (let count = 0; count < 10; count++) seen.add((await look()).namespace);
  expect(seen.size).toBeLessThan(10);
});

test.each([
  ['sent a packet to itself', "s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', 9))"],
  [
    'sent a packet by IPv6',
    "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.sendto(b'x', ('::1', 9))",
  ],
  [
    'had a connection, which is remembered for a minute',
    "a = socket.create_server(('127.0.0.1', 7777)); b = socket.create_connection(('127.0.0.1', 7777)); a.accept()[0].close(); b.close()",
  ],
  ['tried to get out', "s = socket.socket(); s.connect_ex(('192.0.2.1', 80))"],
  ['tried to get out by IPv6', "s = socket.socket(socket.AF_INET6); s.connect_ex(('2001:db8::1', 80))"],
  ['left sockets that listen', "KEPT.append(socket.create_server(('127.0.0.1', 7777)))"],
  [
    'left a socket in a message that nobody reads',
    "a, b = socket.socketpair(); l = socket.create_server(('127.0.0.1', 7777)); socket.send_fds(a, [b'x'], [l.fileno(), a.fileno(), b.fileno()])",
  ],
])('of a sandbox that %s the next ones see nothing', async (_what, line) => {
  await worker.current.cluster.writeFunction('look', LOOK);
  const { traces, sockets } = await look();
  await worker.current.cluster.writeFunction(
    'user',
    python`
    import socket
    KEPT = []
    def handler(event):
        ${line}
        return 'done'
  `,
  );
  expect(await worker.current.result('user')).toBe('done');
  for (let count = 0; count < 5; count++) expect(await look()).toMatchObject({ traces, sockets });
});

test.each([
  ['IPv4', "s.setsockopt(0, 35, socket.inet_aton('224.1.1.1') + socket.inet_aton('127.0.0.1'))"],
  [
    'IPv6',
    "s.setsockopt(41, 20, socket.inet_pton(socket.AF_INET6, 'ff02::4711') + (1).to_bytes(4, 'little'))",
  ],
])('no group of %s can be joined: whoever leaves one is told of seconds later', async (_what, line) => {
  await worker.current.cluster.writeFunction(
    'joiner',
    python`
    import socket
    def handler(event):
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            ${line}
            return 'joined'
        except OSError as error:
            return error.strerror
  `,
  );
  expect(await worker.current.result('joiner')).toBe('No such device');
});
