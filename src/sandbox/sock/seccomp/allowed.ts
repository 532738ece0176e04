/**
 * The calls that a function may make with any arguments, by what they are for. It follows the default profile of Docker
 * for a container without capabilities, which years of programs were tried with, and is stricter where a comment says
 * so. What is in no list here and in no rule of `profile.ts` fails with EPERM.
 */
export const ALLOWED_CALLS = {
  files: `
    open openat openat2 creat close close_range read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2
    lseek truncate ftruncate fsync fdatasync sync syncfs sync_file_range readahead fadvise64 flock fcntl
    dup dup2 dup3 pipe pipe2 sendfile splice tee vmsplice copy_file_range`,

  names: `
    stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 getdents getdents64 getcwd chdir fchdir
    mkdir mkdirat rmdir link linkat unlink unlinkat symlink symlinkat readlink readlinkat rename renameat renameat2
    chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat umask utime utimes utimensat futimesat
    inotify_init inotify_init1 inotify_add_watch inotify_rm_watch`,

  // file_getattr and file_setattr do what the FS_IOC_FS?ETXATTR ioctls do, which are allowed.
  attributes: `
    getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr llistxattr flistxattr
    listxattrat removexattr lremovexattr fremovexattr removexattrat file_getattr file_setattr`,

  // What /proc/self/mountinfo tells as well. Not listns: nothing here needs to know of other namespaces.
  mounts: 'statmount listmount',

  // Not remap_file_pages, which only old code calls; not userfaultfd, which makes races in the kernel winnable; not
  // mbind and its like, which Docker ties to CAP_SYS_NICE; not process_madvise; not cachestat, which tells on some
  // kernels what the neighbours read of the shared files in /usr.
  memory: `
    brk mmap munmap mremap mprotect madvise msync mincore mlock mlock2 munlock mlockall munlockall membarrier mseal
    pkey_alloc pkey_free pkey_mprotect memfd_create memfd_secret map_shadow_stack`,

  // clone has a rule; execve can't gain anything under no_new_privs. process_mrelease needs the right to kill.
  processes: `
    fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill pidfd_open pidfd_send_signal
    process_mrelease getpid getppid gettid getpgid setpgid getpgrp getsid setsid set_tid_address
    getrlimit setrlimit prlimit64 getrusage times sysinfo uname getcpu`,

  threads: `
    futex futex_waitv futex_wake futex_wait futex_requeue set_robust_list get_robust_list rseq restart_syscall
    arch_prctl`,

  scheduling: `
    sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler
    sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval
    getpriority setpriority ioprio_get ioprio_set`,

  signals: `
    rt_sigaction rt_sigprocmask rt_sigpending rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait sigaltstack signalfd signalfd4 pause`,

  // Clocks are read and waited for, not set. So not adjtimex and clock_adjtime, which Docker allows for reading.
  time: `
    time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep alarm getitimer setitimer timer_create
    timer_delete timer_gettime timer_settime timer_getoverrun timerfd_create timerfd_gettime timerfd_settime`,

  // io_setup and its like are the old asynchronous I/O of databases. io_uring is not here: its operations pass no filter.
  waiting: `
    poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2
    io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents`,

  // Which sockets can be made is a rule; these work on one that is there.
  sockets: `
    bind listen accept accept4 connect shutdown getsockname getpeername getsockopt
    sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg`,

  // Without capabilities, a process can change to ids that it has already, and drop what it has not.
  identity: `
    getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid setresgid
    setfsuid setfsgid setgroups capget capset`,

  // Programs that sandbox a part of themselves need these. A second filter can only take more away: where two
  // disagree, the kernel takes the stricter. getrandom is what keys are made of.
  security: 'seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self getrandom',

  // The kernel itself sends a traced function through these; from anywhere else it refuses them.
  tracing: 'uretprobe uprobe',
} as const satisfies Record<string, string>;
