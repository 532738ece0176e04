import { ALLOWED_CALLS } from './allowed.ts';
import { words } from './numbers.ts';

export const EPERM = 1;
export const ENODEV = 19;
export const ENOSYS = 38;
export const EOPNOTSUPP = 95;
export const EAFNOSUPPORT = 97;

/**
 * One look at one argument. `bits` is what the kernel itself reads of it: at 32 the high half is ignored, because the
 * kernel ignores it too; at 64 it has to be zero. `mask` is applied to the low half before it is compared.
 */
export type Check = {
  readonly arg: 0 | 1 | 2 | 3 | 4 | 5;
  readonly bits: 32 | 64;
  readonly mask?: number;
} & ({ readonly oneOf: readonly number[] } | { readonly noneOf: readonly number[] });

/** A call is made where every check of any one list of `allowIf` holds; else it fails with `errno`. */
export type Rule = { readonly allowIf: readonly (readonly Check[])[]; readonly errno: number };

/** Which calls are made (`allowed`), which only with some arguments (`rules`), and which look `absent`. */
export type Profile = {
  readonly allowed: ReadonlySet<string>;
  readonly rules: ReadonlyMap<string, Rule>;
  readonly absent: ReadonlySet<string>;
};

// <linux/sched.h>: CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
const NEW_NAMESPACES =
  0x80 + 0x20000 + 0x02000000 + 0x04000000 + 0x08000000 + 0x10000000 + 0x20000000 + 0x40000000;

const CLONE_VM = 0x100;

const [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] = [1, 2, 10, 16];
const NETLINK_ROUTE = 0;
const [SOL_IP, SOL_IPV6] = [0, 41];
const [IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP, IPV6_JOIN_GROUP, IPV6_JOIN_ANYCAST] = [35, 39, 20, 27];
/** MCAST_JOIN_GROUP and MCAST_JOIN_SOURCE_GROUP, of either protocol. */
const MCAST_JOINS = [42, 46];
const SOCK_TYPE_MASK = 0xf;
const SOCK_PACKET = 10;

const [TIOCSTI, TIOCLINUX, TIOCSETD] = [0x5412, 0x541c, 0x5423];
const [FS_IOC_RESVSP, FS_IOC_RESVSP64, FS_IOC_ZERO_RANGE] = [0x40305828, 0x4030582a, 0x40305839];
/** Writes a number into an inode that nothing else shows: a message to whoever has it next. */
const [FS_IOC_SETVERSION, EXT4_IOC_SETVERSION] = [0x40087602, 0x40086604];
const [PUNCH_HOLE, COLLAPSE_RANGE] = [0x3, 0x8];
const [PR_SET_MM, PR_SCHED_CORE] = [35, 62];

const S_IFMT = 0xf000;
const [S_IFREG, S_IFIFO, S_IFSOCK] = [0x8000, 0x1000, 0xc000];
/** No type at all means a regular file, too. */
const PLAIN_FILES = [0, S_IFREG, S_IFIFO, S_IFSOCK];

const PER_LINUX = 0;
const PER_LINUX32 = 0x8;
const UNAME26 = 0x20000;
const PER_QUERY = 0xffffffff;

const RULES: Readonly<Record<string, Rule>> = {
  /** Threads and processes, but no namespaces: in one of its own, a process would have every capability again. */
  clone: { allowIf: [[{ arg: 0, bits: 64, mask: NEW_NAMESPACES, oneOf: [0] }]], errno: EPERM },

  /**
   * TIOCSTI and TIOCLINUX type into the terminal of whoever watches; TIOCSETD loads line disciplines, a part of the
   * kernel with many past holes. The others are fallocate by other names.
   */
  ioctl: {
    allowIf: [
      [
        {
          arg: 1,
          bits: 32,
          noneOf: [
            TIOCSTI,
            TIOCLINUX,
            TIOCSETD,
            FS_IOC_RESVSP,
            FS_IOC_RESVSP64,
            FS_IOC_ZERO_RANGE,
            FS_IOC_SETVERSION,
            EXT4_IOC_SETVERSION,
          ],
        },
      ],
    ],
    errno: EPERM,
  },

  /**
   * It takes space without writing, at 60 GB a second (measured): a disk would be full before anybody could look. libc
   * does without it, by writing. Giving space back is fine.
   */
  fallocate: { allowIf: [[{ arg: 1, bits: 32, oneOf: [PUNCH_HOLE, COLLAPSE_RANGE] }]], errno: EOPNOTSUPP },

  /**
   * PR_SET_MM rewrites what the host reads of the process in /proc, its command line for one; nothing that runs in a
   * sandbox needs it. PR_SCHED_CORE would leave the other half of a processor core idle, and so take it from neighbours.
   */
  prctl: { allowIf: [[{ arg: 0, bits: 32, noneOf: [PR_SET_MM, PR_SCHED_CORE] }]], errno: EPERM },

  /** The kernel turns AF_INET with SOCK_PACKET into AF_PACKET. libc asks NETLINK_ROUTE which addresses there are. */
  socket: {
    allowIf: [
      [{ arg: 0, bits: 32, oneOf: [AF_UNIX, AF_INET6] }],
      [
        { arg: 0, bits: 32, oneOf: [AF_INET] },
        { arg: 1, bits: 32, mask: SOCK_TYPE_MASK, noneOf: [SOCK_PACKET] },
      ],
      [
        { arg: 0, bits: 32, oneOf: [AF_NETLINK] },
        { arg: 2, bits: 32, oneOf: [NETLINK_ROUTE] },
      ],
    ],
    errno: EAFNOSUPPORT,
  },
  /**
   * Whoever leaves a multicast group is told of on the network up to ten seconds later: the network namespace that the
   * sandbox had would be another one's by then. There is nobody to be in a group with; the error is that of an interface
   * which can't do it.
   */
  setsockopt: {
    allowIf: [
      [{ arg: 1, bits: 32, noneOf: [SOL_IP, SOL_IPV6] }],
      [
        { arg: 1, bits: 32, oneOf: [SOL_IP] },
        { arg: 2, bits: 32, noneOf: [IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP, ...MCAST_JOINS] },
      ],
      [
        { arg: 1, bits: 32, oneOf: [SOL_IPV6] },
        { arg: 2, bits: 32, noneOf: [IPV6_JOIN_GROUP, IPV6_JOIN_ANYCAST, ...MCAST_JOINS] },
      ],
    ],
    errno: ENODEV,
  },
  socketpair: { allowIf: [[{ arg: 0, bits: 32, oneOf: [AF_UNIX] }]], errno: EAFNOSUPPORT },

  /** It changes nothing, and fails where another thread or process has the same memory: `memory_image.py` asks that. */
  unshare: { allowIf: [[{ arg: 0, bits: 64, oneOf: [CLONE_VM] }]], errno: EPERM },

  /** Plain files, named pipes and sockets, but no devices. */
  mknod: { allowIf: [[{ arg: 1, bits: 32, mask: S_IFMT, oneOf: PLAIN_FILES }]], errno: EPERM },
  mknodat: { allowIf: [[{ arg: 2, bits: 32, mask: S_IFMT, oneOf: PLAIN_FILES }]], errno: EPERM },

  /** What `setarch` and emulators ask for; not the flags that turn address randomisation and the like off. */
  personality: {
    allowIf: [
      [{ arg: 0, bits: 32, oneOf: [PER_LINUX, PER_LINUX32, UNAME26, UNAME26 + PER_LINUX32, PER_QUERY] }],
    ],
    errno: EPERM,
  },
};

const NEW_NETWORK = 0x40000000;

/**
 * What processes share by a number or a name of System V, and queues of POSIX, as if the kernel was built without them
 * (CONFIG_SYSVIPC, CONFIG_POSIX_MQUEUE): sandboxes are in the ipc namespace of the zygote that they are forked from. One of
 * their own would be a file system of its own for each (mqueue), which all memory cgroups have to keep account of. Locks, queues and
 * shared memory of Python and of the C library are made of futexes, pipes and files.
 */
const NO_IPC = words(`
  shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl
  mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr`);

/** The profile of every sandbox. */
export const PROFILE: Profile = {
  allowed: new Set(Object.values(ALLOWED_CALLS).flatMap(words)),
  rules: new Map(Object.entries(RULES)),
  // A filter can't read the flags of clone3, which are in memory. libc goes back to clone when there is none.
  absent: new Set(['clone3', ...NO_IPC]),
};

/**
 * That of a package zygote, which makes sandboxes: on top, the calls that this takes. A filter can't see what clone3 is asked
 * for; so what bounds a package there is that all of it is within a user namespace of no power.
 */
export const ZYGOTE_PROFILE: Profile = {
  allowed: new Set([...PROFILE.allowed, 'clone3', 'mount', 'umount2', 'move_mount']),
  rules: new Map([
    ...PROFILE.rules,
    ['unshare', { allowIf: [[{ arg: 0, bits: 32, oneOf: [NEW_NETWORK, CLONE_VM] }]], errno: EPERM }],
    // Into those that it has made: of any other network namespace it is nobody.
    ['setns', { allowIf: [[{ arg: 1, bits: 32, oneOf: [NEW_NETWORK] }]], errno: EPERM }],
  ]),
  absent: new Set(NO_IPC),
};
