"""The machine code that gives pages back: see `memory_image.py`.

    give_back(table)

The table, words of 64 bits: the address of a shared mapping of the whole image, and its length; how many areas there are; the
address of the name of the page map; all signals as a mask. Then three words for each area: its address, its pages (no more than there is
room for on the stack, 512), and where it is in the image. It

1. ends where another thread or process has this memory, too, which the kernel tells of by refusing `unshare(CLONE_VM)`;
2. blocks all signals;
3. maps the image a second time, for the page tables of that to go with it;
4. drops (MADV_DONTNEED) each page that is in memory, is this process's own (bits 63 to 61 of its entry in /proc/self/pagemap), and is
   what it is in the image, if that is not all zeros: what user code has put in the place of an area, if it has, is not that by chance;
5. undoes 3 and 2, and returns how many pages there were.

    x86-64                              arm64
        endbr64                             bti   c
        push  rbx                           mov   x9, x0
        push  rbp                           mov   x10, #0
        push  r12                           sub   sp, sp, #4096
        push  r13                           sub   sp, sp, #16
        push  r14                           mov   x0, #0x100
        push  r15                           mov   x8, #97
        sub   rsp, 4112                     svc   #0
        mov   rbx, rdi                      cbnz  w0, 9f
        xor   ebp, ebp                      mov   x0, #2
        mov   edi, 0x100                    add   x1, x9, #32
        mov   eax, 272                      add   x2, sp, #4096
        syscall                             mov   x3, #8
        test  eax, eax                      mov   x8, #135
        jne   8f                            svc   #0
        mov   edi, 2                        mov   x0, #-100
        lea   rsi, [rbx + 32]               ldr   x1, [x9, #24]
        lea   rdx, [rsp + 4096]             mov   x2, #0x80000
        mov   r10d, 8                       mov   x8, #56
        mov   eax, 14                       svc   #0
        syscall                             tbnz  w0, #31, 8f
        mov   rdi, -100                     mov   x11, x0
        mov   rsi, [rbx + 24]               ldr   x0, [x9]
        mov   edx, 0x80000                  mov   x1, #0
        mov   eax, 257                      ldr   x2, [x9, #8]
        syscall                             mov   x3, #1
        test  eax, eax                      mov   x8, #216
        js    7f                            svc   #0
        mov   r12d, eax                     cmn   x0, #4095
        mov   rdi, [rbx]                    b.cs  7f
        xor   esi, esi                      mov   x12, x0
        mov   rdx, [rbx + 8]                ldr   x13, [x9, #16]
        mov   r10d, 1                       add   x14, x9, #40
        mov   eax, 25                   1:  subs  x13, x13, #1
        syscall                             b.mi  6f
        cmp   rax, -4096                    ldp   x3, x2, [x14]
        ja    6f                            mov   x0, x11
        mov   r13, rax                      mov   x1, sp
        mov   r15, [rbx + 16]               lsl   x2, x2, #3
        lea   r14, [rbx + 40]               lsr   x3, x3, #9
    1:  dec   r15                           mov   x8, #67
        js    5f                            svc   #0
        mov   rdi, r12                      asr   x15, x0, #3
        mov   rsi, rsp                      cmp   x15, #0
        mov   rdx, [r14 + 8]                b.le  5f
        shl   rdx, 3                        mov   x16, sp
        mov   r10, [r14]                    ldr   x17, [x14]
        shr   r10, 9                    2:  ldr   x0, [x16], #8
        mov   eax, 17                       lsr   x0, x0, #61
        syscall                             cmp   x0, #4
        sar   rax, 3                        b.ne  4f
        jle   4f                            ldr   x0, [x14, #16]
        mov   r9, rax                       ldr   x1, [x14]
        mov   r8, rsp                       add   x0, x0, x12
        mov   r10, [r14]                    add   x0, x0, x17
    2:  mov   rax, [r8]                     sub   x0, x0, x1
        shr   rax, 61                       mov   x1, #0
        cmp   eax, 4                        mov   x2, #0
        jne   3f                        3:  ldr   x3, [x0, x1]
        mov   rdx, r10                      ldr   x4, [x17, x1]
        sub   rdx, [r14]                    cmp   x3, x4
        add   rdx, [r14 + 16]               b.ne  4f
        add   rdx, r13                      orr   x2, x2, x3
        mov   rsi, r10                      add   x1, x1, #8
        mov   rdi, rdx                      cmp   x1, #4096
        mov   ecx, 512                      b.ne  3b
        repe  cmpsq                         cbz   x2, 4f
        jne   3f                            mov   x0, x17
        xor   eax, eax                      mov   x2, #4
        mov   rdi, rdx                      mov   x8, #233
        mov   ecx, 512                      svc   #0
        repe  scasq                         add   x10, x10, #1
        je    3f                        4:  add   x17, x17, #4096
        mov   rdi, r10                      subs  x15, x15, #1
        mov   esi, 4096                     b.ne  2b
        mov   edx, 4                    5:  add   x14, x14, #24
        mov   eax, 28                       b     1b
        syscall                         6:  mov   x0, x12
        inc   rbp                           ldr   x1, [x9, #8]
    3:  add   r8, 8                         mov   x8, #215
        add   r10, 4096                     svc   #0
        dec   r9                        7:  mov   x0, x11
        jne   2b                            mov   x8, #57
    4:  add   r14, 24                       svc   #0
        jmp   1b                        8:  mov   x0, #2
    5:  mov   rdi, r13                      add   x1, sp, #4096
        mov   rsi, [rbx + 8]                mov   x2, #0
        mov   eax, 11                       mov   x3, #8
        syscall                             mov   x8, #135
    6:  mov   edi, r12d                     svc   #0
        mov   eax, 3                    9:  mov   x0, x10
        syscall                             add   sp, sp, #4096
    7:  mov   edi, 2                        add   sp, sp, #16
        lea   rsi, [rsp + 4096]             ret
        xor   edx, edx
        mov   r10d, 8
        mov   eax, 14
        syscall
    8:  mov   rax, rbp
        add   rsp, 4112
        pop   r15
        pop   r14
        pop   r13
        pop   r12
        pop   rbp
        pop   rbx
        ret
"""

CODE = {
    'x86_64': (
        'f30f1efa535541544155415641574881ec101000004889fb31edbf00010000b8100100000f0585c00f853d010000bf02000000488d732048'
        '8d94240010000041ba08000000b80e0000000f0548c7c79cffffff488b7318ba00000800b8010100000f0585c00f88e40000004189c4488b'
        '3b31f6488b530841ba01000000b8190000000f05483d00f0ffff0f87b50000004989c54c8b7b104c8d732849ffcf0f88930000004c89e748'
        '89e6498b560848c1e2034d8b1649c1ea09b8110000000f0548c1f8037e684989c14989e04d8b16498b0048c1e83d83f80475434c89d2492b'
        '16490356104c01ea4c89d64889d7b900020000f348a7752631c04889d7b900020000f348af74174c89d7be00100000ba04000000b81c0000'
        '000f0548ffc54983c0084981c20010000049ffc975a14983c618e964ffffff4c89ef488b7308b80b0000000f054489e7b8030000000f05bf'
        '02000000488db4240010000031d241ba08000000b80e0000000f054889e84881c410100000415f415e415d415c5d5bc3'
    ),
    'aarch64': (
        '5f2403d5e90300aa0a0080d2ff0740d1ff4300d1002080d2280c80d2010000d4400a0035400080d221810091e2074091030180d2e81080d2'
        '010000d4600c8092210d40f90201a0d2080780d2010000d40008f837eb0300aa200140f9010080d2220540f9230080d2081b80d2010000d4'
        '1ffc3fb182060054ec0300aa2d0940f92ea10091ad0500f164050054c30940a9e0030baae103009142f07dd363fc49d3680880d2010000d4'
        '0ffc4393ff0100f1ed030054f0030091d10140f9008640f800fc7dd31f1000f1c1020054c00940f9c10140f900000c8b0000118b000001cb'
        '010080d2020080d2036861f8246a61f87f0004eb61010054420003aa212000913f0440f121ffff54c20000b4e00311aa820080d2281d80d2'
        '010000d44a05009131064091ef0500f1a1fcff54ce610091d5ffff17e0030caa210540f9e81a80d2010000d4e0030baa280780d2010000d4'
        '400080d2e1074091020080d2030180d2e81080d2010000d4e0030aaaff074091ff430091c0035fd6'
    ),
}
PAGES_AT_ONCE = 512
