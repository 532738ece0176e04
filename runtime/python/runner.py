"""Makes system calls one after another, without Python in between.

An interpreter writes to every page with an object that it so much as looks at, and each such page a child that has just been
forked has for itself from then on. What a zygote does between the forks of a batch, and each child before it serves, is a list of
system calls that is known before. So it is carried out by a loop in machine code, which writes to its stack alone.

A call is nine numbers of 64 bits: that of the system call, six arguments, the least that it may return (the kernel says
`-errno` where it fails), and the address of the call to go on with where it returns 0 and may not: so children part from who forks
them. The loop ends at any other call that returns what it may not, or at a negative number in place of a call. It
leaves the address of where it has ended, and returns what the last call that it made has returned:

    x86-64                             arm64
        endbr64                            bti   c
        push  rbx                          mov   x9, x0             x9: the call
        push  r12                          mov   x10, x1            x10: where to leave its address
        mov   rbx, rdi                     mov   x0, #0
        mov   r12, rsi
        xor   eax, eax
     1: cmp   qword ptr [rbx], 0        1: ldr   x8, [x9]
        jl    3f                           tbnz  x8, #63, 3f
        mov   rax, [rbx]
        mov   rdi, [rbx + 8]               ldp   x0, x1, [x9, #8]
        mov   rsi, [rbx + 16]
        mov   rdx, [rbx + 24]              ldp   x2, x3, [x9, #24]
        mov   r10, [rbx + 32]
        mov   r8, [rbx + 40]               ldp   x4, x5, [x9, #40]
        mov   r9, [rbx + 48]
        syscall                            svc   #0
        cmp   rax, [rbx + 56]              ldr   x11, [x9, #56]
                                           cmp   x0, x11
        jl    2f                           b.lt  2f
        add   rbx, 72                      add   x9, x9, #72
        jmp   1b                           b     1b
     2: test  rax, rax                  2: cbnz  x0, 3f
        jne   3f
        cmp   qword ptr [rbx + 64], 0      ldr   x11, [x9, #64]
        je    3f                           cbz   x11, 3f
        mov   rbx, [rbx + 64]              mov   x9, x11
        jmp   1b                           b     1b
     3: mov   [r12], rbx                3: str   x9, [x10]
        pop   r12                          ret
        pop   rbx
        ret

On another machine, and where the kernel lets nobody make code, the same is done in Python.
"""

import ctypes

import machine_code

# The numbers of a call.
NUMBER, ARGUMENTS, LEAST, ON_ZERO = 0, 1, 7, 8
CALL_WORDS = 9
CALL_BYTES = 8 * CALL_WORDS
ARGUMENT_COUNT = LEAST - ARGUMENTS
END = -1

_CODE = {
    'x86_64': (
        'f30f1efa5341544889fb4989f431c048833b007c3b488b03488b7b08488b7310488b53184c8b53204c8b43284c8b4b300f05483b43387c06'
        '4883c348ebd14885c0750d48837b40007406488b5b40ebbf49891c24415c5bc3'
    ),
    'aarch64': (
        '5f2403d5e90300aaea0301aa000080d2280140f9e801f8b7208540a9228d41a9249542a9010000d42b1d40f91f000beb6b00005429210191'
        'f6ffff17a00000b52b2140f96b0000b4e9030baaf1ffff17490100f9c0035fd6'
    ),
}

_libc = ctypes.PyDLL(None, use_errno=True)
_Call = ctypes.c_int64 * CALL_WORDS


def native():
    """`in_python` in machine code; None where there can be none."""
    return machine_code.function(_CODE, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


def in_python(first, stopped):
    """Makes the calls from the address `first` on, as the machine code does; where it ends is written to the address `stopped`."""
    at, result = first, 0
    while True:
        call = _Call.from_address(at)
        if call[NUMBER] < 0:
            break
        result = _libc.syscall(*map(ctypes.c_long, call[:LEAST]))
        if result == -1:
            result = -ctypes.get_errno()
        if result >= call[LEAST]:
            at += CALL_BYTES
        elif result == 0 and call[ON_ZERO] != 0:
            at = call[ON_ZERO]
        else:
            break
    ctypes.c_int64.from_address(stopped).value = at
    return result


_stopped = ctypes.c_int64(0)
STOPPED = ctypes.addressof(_stopped)
# What `run` does, with the address for where it has ended. For who counts the objects that it looks at.
carry_out = native() or in_python


def run(first):
    """Makes the calls from the address `first` on. Returns what the last one has returned, and the address of where it has ended: in
    each process that comes out of it, where there is a fork among them."""
    result = carry_out(first, STOPPED)
    return result, _stopped.value


def stopped():
    """Where `carry_out` has ended."""
    return _stopped.value


def is_native():
    """Whether nothing of Python's runs between two calls."""
    return carry_out is not in_python
