import { type Arch, CALL_NUMBERS } from '../../src/sandbox/sock/seccomp/numbers.ts';
import { type Check, ENOSYS, EPERM, type Profile } from '../../src/sandbox/sock/seccomp/profile.ts';

export const AUDIT_ARCH = { x64: 0xc000003e, arm64: 0xc00000b7, i386: 0x40000003, arm: 0x40000028 } as const;
export const ALLOW = 0x7fff0000;
export const KILL_PROCESS = 0x80000000;

/** The verdict that makes a call fail with `errno`. */
export function failing(errno: number): number {
  return 0x00050000 + errno;
}

/** What a profile says of a call by the machine's own convention, read from the data call by call. */
export function expectedVerdict(profile: Profile, arch: Arch, nr: number, args: readonly bigint[]): number {
  if (arch === 'x64' && nr >= 0x40000000) return KILL_PROCESS;
  const name = [...CALL_NUMBERS[arch]].find(([, number]) => number === nr)?.[0];
  if (name === undefined || profile.absent.has(name)) return failing(ENOSYS);
  const rule = profile.rules.get(name);
  if (rule === undefined) return profile.allowed.has(name) ? ALLOW : failing(EPERM);
  const passes = rule.allowIf.some((checks) => checks.every((check) => holds(check, args)));
  return passes ? ALLOW : failing(rule.errno);
}

function holds(check: Check, args: readonly bigint[]): boolean {
  const arg = args[check.arg] ?? 0n;
  if (check.bits === 64 && arg >= 1n << 32n) return false;
  const value = Number(arg & BigInt(check.mask ?? 0xffffffff));
  return 'oneOf' in check ? check.oneOf.includes(value) : !check.noneOf.includes(value);
}
