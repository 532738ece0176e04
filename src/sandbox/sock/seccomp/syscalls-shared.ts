/**
 * The calls that Linux has added since 5.1, under the same number on every machine, as of 6.19. A key is the number of
 * the first name of its line; the others follow in order. Source: the kernel's scripts/syscall.tbl.
 */
export const SHARED_CALLS: Readonly<Record<number, string>> = {
  424: 'pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen',
  431: 'fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise',
  441: 'epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule',
  446: 'landlock_restrict_self memfd_secret process_mrelease futex_waitv set_mempolicy_home_node cachestat',
  452: 'fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount lsm_get_self_attr',
  460: 'lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat',
  467: 'open_tree_attr file_getattr file_setattr listns',
};
