import { assemble, type BpfNode } from './bpf.ts';
import { dispatch, type NumberRange } from './dispatch.ts';
import { type Arch, CALL_NUMBERS } from './numbers.ts';
import { type Check, ENOSYS, EPERM, PROFILE, type Profile, type Rule, ZYGOTE_PROFILE } from './profile.ts';

/** AUDIT_ARCH_*: what `seccomp_data.arch` is for a call by the machine's own 64-bit convention. */
const AUDIT_ARCH: Readonly<Record<Arch, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** On x86-64, calls of the x32 convention have this bit in their number, and the same `arch`. */
const X32_BIT = 0x40000000;

// struct seccomp_data: int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6].
const NR_OFFSET = 0;
const ARCH_OFFSET = 4;
const ARGS_OFFSET = 16;

const ALLOW: BpfNode = { kind: 'return', value: 0x7fff0000 };
const KILL_PROCESS: BpfNode = { kind: 'return', value: 0x80000000 };
const DENY = failWith(EPERM);
/** What a kernel says that does not have the call: libc then takes the older way. */
const UNKNOWN = failWith(ENOSYS);

/**
 * The filter of a sandbox for one machine, as the kernel takes it: an array of `struct sock_filter` (8 bytes each,
 * little endian), at most 4096 of them. Pure; the same bytes at every call.
 */
export function compileSeccomp(arch: Arch): Buffer {
  return compileProfile(PROFILE, arch);
}

/** That of a package zygote, in the same form. */
export function compileZygoteSeccomp(arch: Arch): Buffer {
  return compileProfile(ZYGOTE_PROFILE, arch);
}

/** The filter that enforces any profile: see `compileSeccomp`. */
export function compileProfile(profile: Profile, arch: Arch): Buffer {
  const byNumber: BpfNode = { kind: 'load', offset: NR_OFFSET, next: dispatch(rangesOf(profile, arch)) };
  return assemble({
    kind: 'load',
    offset: ARCH_OFFSET,
    next: { kind: 'test', test: 'eq', value: AUDIT_ARCH[arch], yes: byNumber, no: KILL_PROCESS },
  });
}

function rangesOf(profile: Profile, arch: Arch): NumberRange[] {
  const verdicts = new Map<number, BpfNode>();
  for (const [name, number] of CALL_NUMBERS[arch]) verdicts.set(number, verdictOf(profile, name));
  const highest = Math.max(...verdicts.keys());
  const ranges = Array.from({ length: highest + 2 }, (_, start) => ({
    start,
    verdict: verdicts.get(start) ?? UNKNOWN,
  }));
  if (arch === 'x64') ranges.push({ start: X32_BIT, verdict: KILL_PROCESS });
  return ranges;
}

function verdictOf(profile: Profile, name: string): BpfNode {
  const rule = profile.rules.get(name);
  if (rule !== undefined) return compileRule(rule);
  if (profile.allowed.has(name)) return ALLOW;
  return profile.absent.has(name) ? UNKNOWN : DENY;
}

function compileRule(rule: Rule): BpfNode {
  return rule.allowIf.reduceRight<BpfNode>(
    (otherwise, checks) =>
      checks.reduceRight<BpfNode>((passed, check) => compileCheck(check, passed, otherwise), ALLOW),
    failWith(rule.errno),
  );
}

function compileCheck(check: Check, passed: BpfNode, failed: BpfNode): BpfNode {
  const low = ARGS_OFFSET + 8 * check.arg;
  const compared = compare(check, passed, failed);
  const masked: BpfNode =
    check.mask === undefined ? compared : { kind: 'and', mask: check.mask, next: compared };
  const lowHalf: BpfNode = { kind: 'load', offset: low, next: masked };
  if (check.bits === 32) return lowHalf;
  const highHalf: BpfNode = { kind: 'test', test: 'eq', value: 0, yes: lowHalf, no: failed };
  return { kind: 'load', offset: low + 4, next: highHalf };
}

function compare(check: Check, passed: BpfNode, failed: BpfNode): BpfNode {
  const [found, missing] = 'oneOf' in check ? [passed, failed] : [failed, passed];
  const values = 'oneOf' in check ? check.oneOf : check.noneOf;
  return values.reduceRight<BpfNode>(
    (no, value) => ({ kind: 'test', test: 'eq', value, yes: found, no }),
    missing,
  );
}

/** SECCOMP_RET_ERRNO: the call is not made and fails with this errno. */
function failWith(errno: number): BpfNode {
  return { kind: 'return', value: 0x00050000 + errno };
}
