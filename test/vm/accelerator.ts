import { existsSync } from 'node:fs';
import type { Boot } from './initramfs.ts';
import { type Accelerator, boot } from './qemu.ts';

const DEVICE = '/dev/kvm';
/** A machine that KVM runs has done nothing and turned itself off in a quarter of this. */
const PROBE_MS = 20_000;

/**
 * KVM where it starts the machine, else software emulation; says which, and why. That the device is there tells nothing:
 * a KVM that is itself in a virtual machine may know only kernels made for it, and run any other one far slower than
 * qemu does, or not at all. `nothing` is the machine with a command that does nothing.
 */
export async function chooseAccelerator(
  qemu: string,
  nothing: Boot,
  say: (text: string) => void,
): Promise<Accelerator> {
  const reason = existsSync(DEVICE) ? await probeKvm(qemu, nothing) : `there is no ${DEVICE}`;
  if (reason === null) {
    say('the virtual machine runs on KVM');
    return 'kvm';
  }
  say(`the virtual machine runs on software emulation, some twenty times slower than this one: ${reason}`);
  return 'tcg';
}

/** Null where it works. */
async function probeKvm(qemu: string, nothing: Boot): Promise<string | null> {
  const complaints: string[] = [];
  const status = await boot(qemu, nothing, {
    accelerator: 'kvm',
    print: () => {},
    complain: (line) => complaints.push(line),
    timeoutMs: PROBE_MS,
  });
  if (status === 0) return null;
  const how = complaints[0] ?? `it did not start within ${PROBE_MS / 1000} s`;
  return `${DEVICE} does not run it (${how})`;
}
