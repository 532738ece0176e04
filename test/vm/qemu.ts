import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Boot } from './initramfs.ts';

/** What inside.sh prints last. */
const LAST_LINE = /^openlambda-vm: exit status (\d+)$/;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const LIBRARIES = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'];
const FIRMWARE = ['usr/share/qemu', 'usr/share/seabios'];

/** Who runs the machine's instructions: this processor, or qemu. */
export type Accelerator = 'kvm' | 'tcg';
/** With a thread for each core, qemu is twice as fast, but Node ends by SIGSEGV or SIGTRAP now and then. */
const ACCEL = { kvm: 'kvm', tcg: 'tcg,thread=single' };

export interface BootOptions {
  readonly accelerator: Accelerator;
  /** A line of its console. */
  readonly print: (line: string) => void;
  /** A line of qemu's own. */
  readonly complain: (line: string) => void;
  /** It is killed after that. */
  readonly timeoutMs?: number;
}

/**
 * Boots the machine with this machine's root as its disk, read-only. Resolves to the exit status of its command, or to
 * null where it ended without telling.
 */
export async function boot(qemu: string, image: Boot, options: BootOptions): Promise<number | null> {
  const child = spawn(join(qemu, 'usr/bin/qemu-system-x86_64'), argsOf(qemu, image, options.accelerator), {
    env: { ...process.env, LD_LIBRARY_PATH: LIBRARIES.map((dir) => join(qemu, dir)).join(':') },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
  });
  const closed = once(child, 'close');
  const end = () => child.kill('SIGKILL'); // nothing in there is worth an orderly end
  for (const signal of SIGNALS) process.on(signal, end);
  createInterface(child.stderr).on('line', options.complain);
  let status: number | null = null;
  for await (const line of createInterface(child.stdout)) {
    const last = LAST_LINE.exec(line);
    if (last === null) options.print(line);
    else status = Number(last[1]);
  }
  await closed;
  for (const signal of SIGNALS) process.off(signal, end);
  return status;
}

function argsOf(qemu: string, { kernel, initramfs }: Boot, accelerator: Accelerator): string[] {
  return [
    ...FIRMWARE.flatMap((dir) => ['-L', join(qemu, dir)]),
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
    ...['-accel', ACCEL[accelerator], '-cpu', 'max', '-smp', '2', '-m', '6g'],
    ...['-fsdev', 'local,id=root,path=/,security_model=none,readonly=on,multidevs=remap'],
    ...['-device', 'virtio-9p-pci,fsdev=root,mount_tag=root'],
    ...['-netdev', 'user,id=net,ipv6=off', '-device', 'virtio-net-pci,netdev=net,romfile='],
    ...['-kernel', kernel, '-initrd', initramfs, '-append', 'console=ttyS0 loglevel=1 panic=-1'],
  ];
}
