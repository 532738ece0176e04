#!/bin/busybox sh
# The first process in the virtual machine, in its initramfs: mounts the host's root, read-only, below a layer in memory
# that takes every write, and goes on there with inside.sh.
set -e
/bin/busybox mkdir -p /proc /sys /dev /host /layer
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev

while read -r module; do insmod "/modules/$module"; done </modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro root /host
mount -t tmpfs -o size=75% layer /layer
mkdir /layer/upper /layer/work /layer/root
mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /layer/root

cd /layer/root
# What the host has mounted there is seen as plain files, and out of date.
for place in proc sys dev run; do umount -l "$place" 2>/dev/null || true; done
mount -t proc proc proc
mount -t sysfs sys sys
mount -t devtmpfs dev dev
mount -t tmpfs -o mode=755,size=75% run run
mkdir -p dev/pts dev/shm run/openlambda-vm
mount -t devpts devpts dev/pts
mount -t tmpfs shm dev/shm
mount -t cgroup2 cgroup2 sys/fs/cgroup
cp /argv run/openlambda-vm/argv
# Further modules come from here when they are first needed.
cp /bin/busybox run/openlambda-vm/modprobe
checkout=$(cat /checkout)
modules="/layer/root$checkout/.cache/vm/kernel/lib/modules"
mkdir -p lib/modules && mount --bind "$modules" lib/modules
exec switch_root /layer/root /bin/bash "$checkout/test/vm/inside.sh" "$checkout"
