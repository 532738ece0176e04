import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { useWorker } from '../helpers/worker.ts';
leavesNothing();
const worker = useWorker(['look', 'attempt'], {tmp_max_mb: 2});
test('x', async () => {
  const at = ['status','ids','namespaces','mounts','root','handler','host','processes','dev','descriptors','hostname','interfaces','environment','initial_environment','command','path','directory','core_limit','umask','session'];
  console.log(JSON.stringify(await worker.current.result('look', { at }), null, 1).replace(/\n {3,}/g,' '));
  const t = async (x:unknown) => console.log(JSON.stringify(x), JSON.stringify(await worker.current.call('attempt', x).then(r=>r.status+r.body)));
  for (const path of ['/x','/usr/x','/handler/x','/packages/x','/host/x','/tmp/x','/etc/x','/dev/x','/proc/sys/kernel/hostname','/proc/sysrq-trigger','/proc/sys/kernel/core_pattern','/bin/x','/proc/self/oom_score_adj', '/dev/shm/x']) await t({try:'write',path});
  for (const path of ['/proc/kcore','/proc/keys','/proc/kallsyms','/proc/timer_list','/proc/interrupts','/proc/1/environ','/proc/mounts', '/proc/cmdline','/proc/version','/proc/acpi','/proc/kmsg', '/proc/net/unix', '/proc/modules','/proc/config.gz','/proc/partitions','/proc/diskstats']) await t({try:'read',path});
  await t({try:'fill',path:'/tmp/f'});
  await t({try:'connect',host:'127.0.0.1',port:worker.current.running.port});
  await t({try:'loopback'});
  await t({try:'resolve',host:'example.com'});
  for (const x of ['make_device','run_setuid','mount','setns','clone_user_namespace','ptrace','chroot','set_hostname','raise_core_limit','raw_socket','netlink_up']) await t({try:x});
  for (const path of ['/', '/handler','/usr']) {await t({try:'remount',path}); await t({try:'unmount',path});}
  for (const flags of [0x20000,0x4000000,0x8000000,0x10000000,0x20000000,0x40000000]) await t({try:'unshare',flags});
  for (const pid of [1,2,process.pid,-1]) await t({try:'kill',pid});
  for (const name of ['yaml','_yaml','apt','pip','server','kernel','control','sandbox','baseline','zygote','site','sqlite3','ssl','asyncio','multiprocessing','ctypes','numpy']) await t({try:'import_module',name});
  await t({try:'set_uid',uid:0});
  await t({try:'set_uid',uid:1000});
});
