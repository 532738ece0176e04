import { closeSync } from 'node:fs';
import koffi from 'koffi';
import { isOlError } from '../errors.ts';
import { ioctl } from './ioctl.ts';
import { check, errnoName, libc } from './libc.ts';

/** Unix sockets that can carry file descriptors, which Node's own cannot. Descriptors are plain numbers here. */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SIOCOUTQ = 0x5411;
/** struct cmsghdr: a 64-bit length, then level and type as 32-bit integers. */
const CMSG_HEADER = 16;
const FD_BYTES = 4;
/** `@`, in paths. */
const ABSTRACT = 0x40;
/** sun_path holds 108 bytes, the last of them 0. */
const MAX_PATH = 107;

koffi.struct('iovec', { base: 'void *', len: 'size_t' });
koffi.struct('msghdr', {
  name: 'void *',
  namelen: 'uint32_t',
  iov: 'iovec *',
  iovlen: 'size_t',
  control: 'void *',
  controllen: 'size_t',
  flags: 'int',
});

const socketC = libc('int socket(int, int, int)');
const socketpairC = libc('int socketpair(int, int, int, _Out_ int *)');
const bindC = libc('int bind(int, void *, uint32_t)');
const listenC = libc('int listen(int, int)');
const connectC = libc('int connect(int, void *, uint32_t)');
const sendmsgC = libc('long sendmsg(int, const msghdr *, int)');
const recvmsgC = libc('long recvmsg(int, _Inout_ msghdr *, int)');

/** A connected pair of SOCK_SEQPACKET sockets: message boundaries are kept, and an end that closes is noticed. */
export function seqpacketPair(): [number, number] {
  return socketPair(SOCK_SEQPACKET);
}

/** A connected pair of stream sockets. */
export function streamPair(): [number, number] {
  return socketPair(SOCK_STREAM);
}

function socketPair(type: number): [number, number] {
  const pair = [-1, -1];
  check(socketpairC(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 'socketpair', 'AF_UNIX');
  return [pair[0] ?? -1, pair[1] ?? -1];
}

/** A listening stream socket at `path`, which must not exist yet. The caller closes it. */
export function listenUnix(path: string, backlog: number): number {
  return withSocket(path, (fd, address) => {
    check(bindC(fd, address, address.length), 'bind', path);
    check(listenC(fd, backlog), 'listen', path);
  });
}

/** A stream socket connected to `path`. It does not wait for an accept: the backlog takes the connection. */
export function connectUnix(path: string): number {
  return withSocket(path, (fd, address) => {
    check(connectC(fd, address, address.length), 'connect', path);
  });
}

/** Sends one datagram to a socket at `path`; one that begins with `@` is a name without a file. Waits for nobody. */
export function sendDatagram(path: string, message: Buffer): void {
  const send = (fd: number, address: Buffer) => {
    check(connectC(fd, address, address.length), 'connect', path);
    check(sendmsgC(fd, messageHeader(message, null), MSG_NOSIGNAL | MSG_DONTWAIT), 'sendmsg', path);
  };
  closeSync(withSocket(path, send, SOCK_DGRAM));
}

function withSocket(
  path: string,
  use: (fd: number, address: Buffer) => void,
  type: number = SOCK_STREAM,
): number {
  const address = unixAddress(path);
  const fd = check(socketC(AF_UNIX, type | SOCK_CLOEXEC, 0), 'socket', path);
  try {
    use(fd, address);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length > MAX_PATH) throw new RangeError(`${path} is longer than ${MAX_PATH} bytes`);
  const address = Buffer.alloc(2 + bytes.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  bytes.copy(address, 2);
  if (bytes[0] !== ABSTRACT) return address;
  // A name without a file begins with 0 and ends with the address.
  address[2] = 0;
  return address.subarray(0, 2 + bytes.length);
}

/** Sends one message with descriptors beside it; the receiver gets duplicates, the caller keeps its own. */
export function sendWithFds(socket: number, message: Buffer, fds: readonly number[]): void {
  const control = fds.length === 0 ? null : rights(fds);
  const header = messageHeader(message, control);
  check(sendmsgC(socket, header, MSG_NOSIGNAL | MSG_DONTWAIT), 'sendmsg', `descriptor ${socket}`);
}

/** True while the peer of a stream socket has not read all that was sent to it. */
export function hasUnread(socket: number): boolean {
  const bytes = Buffer.alloc(4);
  check(ioctl(socket, SIOCOUTQ, bytes), 'ioctl SIOCOUTQ', `descriptor ${socket}`);
  return bytes.readInt32LE() !== 0;
}

/** True for the error of a send whose receiver is gone. */
export function isReceiverGone(error: unknown): boolean {
  if (!isOlError(error, 'ERR_SYSCALL')) return false;
  return ['EPIPE', 'ECONNRESET', 'ECONNREFUSED'].includes(String(error.fields.errno));
}

/** Takes one waiting message and its descriptors; null where none waits. An empty message means the peer is gone. */
export function receiveWithFds(socket: number, maxBytes = 4096): { message: Buffer; fds: number[] } | null {
  const message = Buffer.alloc(maxBytes);
  const control = Buffer.alloc(CMSG_HEADER + 16 * FD_BYTES);
  const header = messageHeader(message, control);
  const length = recvmsgC(socket, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0 && errnoName() === 'EAGAIN') return null;
  // Said once of a peer that has gone without reading all that we sent; what it had sent itself can still be read.
  if (length < 0 && errnoName() === 'ECONNRESET') return receiveWithFds(socket, maxBytes);
  check(length, 'recvmsg', `descriptor ${socket}`);
  return { message: message.subarray(0, length), fds: receivedFds(control, Number(header.controllen)) };
}

function messageHeader(message: Buffer, control: Buffer | null) {
  const iov = [{ base: message, len: message.length }];
  const controllen = control?.length ?? 0;
  return { name: null, namelen: 0, iov, iovlen: 1, control, controllen, flags: 0 };
}

function rights(fds: readonly number[]): Buffer {
  const length = CMSG_HEADER + fds.length * FD_BYTES;
  const control = Buffer.alloc(Math.ceil(length / 8) * 8);
  control.writeBigUInt64LE(BigInt(length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, fd] of fds.entries()) control.writeInt32LE(fd, CMSG_HEADER + index * FD_BYTES);
  return control;
}

function receivedFds(control: Buffer, received: number): number[] {
  if (received < CMSG_HEADER || control.readInt32LE(12) !== SCM_RIGHTS) return [];
  const end = Number(control.readBigUInt64LE(0));
  const fds = [];
  for (let at = CMSG_HEADER; at < end; at += FD_BYTES) fds.push(control.readInt32LE(at));
  return fds;
}
