import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compileSeccomp } from '../../../../../src/sandbox/sock/seccomp/compile.ts';
import { type Arch, CALL_NUMBERS } from '../../../../../src/sandbox/sock/seccomp/numbers.ts';

const PYTHON = '/usr/bin/python3';
const PROBE = fileURLToPath(new URL('../../../../fixtures/seccomp/probe.py', import.meta.url));

const REFUSED = {
  mount: 'EPERM',
  unshare: 'EPERM',
  'unshare high half': 'EPERM',
  'clone NEWUSER': 'EPERM',
  'clone high half': 'EPERM',
  clone3: 'ENOSYS',
  'shared memory': 'ENOSYS',
  'message queue': 'ENOSYS',
  'unknown call': 'ENOSYS',
  ptrace: 'EPERM',
  'ioctl TIOCSTI': 'EPERM',
  'ioctl TIOCSTI high half': 'EPERM',
  'prctl PR_SET_MM': 'EPERM',
  'socket AF_PACKET': 'EAFNOSUPPORT',
  'socket SOCK_PACKET': 'EAFNOSUPPORT',
  'socket NETLINK_AUDIT': 'EAFNOSUPPORT',
  device: 'EPERM',
};

const WORKING = [
  'unshare nothing',
  'clone',
  'named pipe',
  'threads',
  'subprocess',
  'socketpair',
  'tcp',
  'name lookup',
  'asyncio',
  'sqlite3',
  'multiprocessing',
  'locks and queues',
  'memory by name',
  'memfd',
];

/** What each trial of the probe came to, under the filter of this machine. */
async function probe(arch: Arch): Promise<Record<string, string>> {
  const numbers = JSON.stringify(Object.fromEntries(CALL_NUMBERS[arch]));
  const child = spawn(PYTHON, ['-I', PROBE, numbers], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(compileSeccomp(arch));
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

describe('the filter in the kernel of this machine', () => {
  const arch: Arch = process.arch === 'arm64' ? 'arm64' : 'x64';

  it('refuses what the profile refuses, and lets Python work', async () => {
    const outcomes = await probe(arch);
    const x32 = arch === 'x64' ? { 'x32 call': 'SIGSYS' } : {};
    const working = Object.fromEntries(WORKING.map((name) => [name, 'ok']));
    expect(outcomes).toEqual({ ...REFUSED, ...working, ...x32 });
  });
});
