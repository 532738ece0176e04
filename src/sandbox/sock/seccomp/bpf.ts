import { OlError } from '../../../errors.ts';

/**
 * A classic BPF program as a graph of decisions. A program starts at one node, follows `next`, `yes` or `no`, and ends at
 * a `return`. `load` and `and` set the accumulator that later tests look at. Nodes may be shared, cycles can't be made.
 */
export type BpfNode =
  | { readonly kind: 'return'; readonly value: number }
  | { readonly kind: 'load'; readonly offset: number; readonly next: BpfNode }
  | { readonly kind: 'and'; readonly mask: number; readonly next: BpfNode }
  | {
      readonly kind: 'test';
      readonly test: 'eq' | 'ge';
      readonly value: number;
      readonly yes: BpfNode;
      readonly no: BpfNode;
    };

type Instruction = { code: number; yes: number; no: number; value: number };

// BPF_CLASS | BPF_SIZE | BPF_MODE, as <linux/bpf_common.h> composes them.
const CODES = { load: 0x20, and: 0x54, jump: 0x05, eq: 0x15, ge: 0x35, return: 0x06 } as const;

/** The size of a `struct sock_filter`. */
const INSTRUCTION_BYTES = 8;
/** BPF_MAXINSNS: the kernel refuses a longer program. */
const MAX_INSTRUCTIONS = 4096;
/** A conditional jump has 8 bits for each of its two distances. */
const MAX_DISTANCE = 255;

/**
 * The program's bytes: one `struct sock_filter` an instruction, little endian. Throws ERR_INTERNAL where it is longer
 * than the kernel takes.
 */
export function assemble(root: BpfNode): Buffer {
  const instructions = new Assembler().program(root);
  if (instructions.length > MAX_INSTRUCTIONS) {
    const reason = `a BPF program of ${instructions.length} instructions; the kernel takes ${MAX_INSTRUCTIONS}`;
    throw new OlError('ERR_INTERNAL', { reason });
  }
  const bytes = Buffer.alloc(instructions.length * INSTRUCTION_BYTES);
  instructions.forEach(({ code, yes, no, value }, index) => {
    const start = index * INSTRUCTION_BYTES;
    bytes.writeUInt16LE(code, start);
    bytes.writeUInt8(yes, start + 2);
    bytes.writeUInt8(no, start + 3);
    bytes.writeUInt32LE(value, start + 4);
  });
  return bytes;
}

/**
 * Writes a program from its end to its start. Classic BPF jumps forward only, so whatever a node leads to is written
 * before it, its distance is known, and one pass is enough. Positions count from the end.
 */
class Assembler {
  readonly #reversed: Instruction[] = [];
  readonly #nodes = new Map<BpfNode, number>();
  readonly #returns = new Map<number, number>();

  program(root: BpfNode): Instruction[] {
    this.#place(root);
    return this.#reversed.toReversed();
  }

  #place(node: BpfNode): number {
    const known =
      this.#nodes.get(node) ?? (node.kind === 'return' ? this.#returns.get(node.value) : undefined);
    if (known !== undefined) return known;
    const position = this.#write(node);
    this.#nodes.set(node, position);
    if (node.kind === 'return') this.#returns.set(node.value, position);
    return position;
  }

  #write(node: BpfNode): number {
    switch (node.kind) {
      case 'return':
        return this.#push(CODES.return, node.value);
      case 'load':
        this.#follow(node.next);
        return this.#push(CODES.load, node.offset);
      case 'and':
        this.#follow(node.next);
        return this.#push(CODES.and, node.mask);
      case 'test':
        return this.#writeTest(CODES[node.test], node.value, this.#place(node.yes), this.#place(node.no));
    }
  }

  #writeTest(code: number, value: number, yes: number, no: number): number {
    // One less for the first, because reaching the second may put one more instruction in between.
    const nearNo = this.#within(no, MAX_DISTANCE - 1);
    const nearYes = this.#within(yes, MAX_DISTANCE);
    return this.#push(code, value, this.#distance(nearYes), this.#distance(nearNo));
  }

  /** Makes `node` what runs after the instruction that is written next. */
  #follow(node: BpfNode): void {
    this.#within(this.#place(node), 0);
  }

  /** A position at most `limit` away that leads to `target`: itself, or an unconditional jump to it (32 bits). */
  #within(target: number, limit: number): number {
    const distance = this.#distance(target);
    return distance <= limit ? target : this.#push(CODES.jump, distance);
  }

  /** How many instructions the one that is written next would jump over. */
  #distance(target: number): number {
    return this.#reversed.length - 1 - target;
  }

  #push(code: number, value: number, yes = 0, no = 0): number {
    return this.#reversed.push({ code, yes, no, value }) - 1;
  }
}
