import { CALL_NUMBERS, words } from '../../src/sandbox/sock/seccomp/numbers.ts';

/** By name; those of this machine. */
export const NUMBERS = Object.fromEntries(CALL_NUMBERS[process.arch === 'arm64' ? 'arm64' : 'x64']);

/**
 * System calls that no function needs: the administrator's, and the doors to parts of the kernel with many past holes. The
 * program `forbidden_calls` makes each of them with arguments of 0, which does no harm where one gets through.
 */
export const FORBIDDEN_CALLS = words(`
  bpf keyctl add_key request_key io_uring_setup io_uring_enter io_uring_register userfaultfd perf_event_open
  init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl syslog
  settimeofday clock_settime clock_adjtime adjtimex iopl ioperm sethostname setdomainname
  open_by_handle_at name_to_handle_at fanotify_init fanotify_mark
  ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp
  mbind move_pages migrate_pages set_mempolicy remap_file_pages
  shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl
  mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
  mount umount2 pivot_root chroot setns unshare open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr`);
