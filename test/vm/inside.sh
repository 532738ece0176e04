#!/bin/bash
# The first process in the virtual machine once its root is there: makes the machine look like a user's, runs the command
# in /run/openlambda-vm/argv (arguments end in NUL), tells its exit status on the console, and turns the machine off.
checkout=$1
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb
cd "$checkout" || exit 1

hostname vm
ip link set lo up
echo /run/openlambda-vm/modprobe >/proc/sys/kernel/modprobe

# Packages come from where this machine gets them; the addresses are those of qemu's own network.
/run/openlambda-vm/modprobe virtio_net
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
rm -f /etc/resolv.conf
echo 'nameserver 10.0.2.3' >/etc/resolv.conf

# The checkout may be below /tmp.
mkdir /run/openlambda-vm/checkout
mount --bind "$checkout" /run/openlambda-vm/checkout
# /tmp is a real file system, with quotas, so that what is written there can leave the memory.
truncate -s 3G /run/openlambda-vm/disk
mke2fs -q -t ext4 -O quota,project -E nodiscard /run/openlambda-vm/disk
/run/openlambda-vm/modprobe loop
mount -t ext4 -o loop,prjquota /run/openlambda-vm/disk /tmp
chmod 1777 /tmp
mkdir -p "$checkout"
mount --bind /run/openlambda-vm/checkout "$checkout"
cd "$checkout" || exit 1

# As systemd has it: the root gives its controllers on, and a login's processes are in a group of their own.
cgroups=/sys/fs/cgroup
echo '+cpu +memory +pids' >$cgroups/cgroup.subtree_control
mkdir -p $cgroups/user.slice/session-1.scope
run_in_session() {
  echo 0 >$cgroups/user.slice/session-1.scope/cgroup.procs
  exec "$@"
}

mapfile -d '' argv </run/openlambda-vm/argv
echo "Linux $(uname -r), cgroup v2 with $(cat $cgroups/cgroup.controllers)"
# Through a pipe: on a console, programs draw and colour.
(run_in_session "${argv[@]}") </dev/null 2>&1 | cat
echo "openlambda-vm: exit status ${PIPESTATUS[0]}"
sync
echo 0 >/proc/sys/kernel/printk # the command's last line is to be the last one
echo b >/proc/sysrq-trigger
sleep 60
