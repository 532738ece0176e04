/** One system call as a seccomp filter sees it: `struct seccomp_data`, without the instruction pointer. */
export type Call = { readonly nr: number; readonly arch: number; readonly args?: readonly bigint[] };

type State = { accumulator: number; position: number };
type Instruction = { code: number; yes: number; no: number; value: number };

const DATA_BYTES = 64;

/**
 * Runs a classic BPF program on a call and returns its verdict, SECCOMP_RET_*. It knows the instructions that the kernel
 * keeps a list of verdicts for, and AND; any other one, a jump out of the program or a bad load throws.
 */
export function runFilter(program: Buffer, call: Call): number {
  const data = encode(call);
  const state: State = { accumulator: 0, position: 0 };
  for (;;) {
    const instruction = fetch(program, state.position);
    state.position += 1;
    if (instruction.code === 0x06) return instruction.value;
    step(instruction, state, data);
  }
}

function step(instruction: Instruction, state: State, data: Buffer): void {
  const { code, value } = instruction;
  if (code === 0x20) state.accumulator = load(data, value);
  else if (code === 0x54) state.accumulator = Number(BigInt(state.accumulator) & BigInt(value));
  else if (code === 0x05) state.position += value;
  else if (code === 0x15) state.position += branch(instruction, state.accumulator === value);
  else if (code === 0x35) state.position += branch(instruction, state.accumulator >= value);
  else throw new Error(`unknown instruction 0x${code.toString(16)} at ${state.position - 1}`);
}

function branch(instruction: Instruction, taken: boolean): number {
  return taken ? instruction.yes : instruction.no;
}

function load(data: Buffer, offset: number): number {
  if (offset % 4 !== 0) throw new Error(`load at ${offset}: the kernel takes multiples of 4`);
  return data.readUInt32LE(offset);
}

function fetch(program: Buffer, position: number): Instruction {
  const start = position * 8;
  if (start + 8 > program.length) throw new Error(`ran out of the program at ${position}`);
  return {
    code: program.readUInt16LE(start),
    yes: program.readUInt8(start + 2),
    no: program.readUInt8(start + 3),
    value: program.readUInt32LE(start + 4),
  };
}

function encode({ nr, arch, args = [] }: Call): Buffer {
  const data = Buffer.alloc(DATA_BYTES);
  data.writeUInt32LE(nr, 0);
  data.writeUInt32LE(arch, 4);
  args.forEach((arg, index) => {
    data.writeBigUInt64LE(arg, 16 + 8 * index);
  });
  return data;
}
