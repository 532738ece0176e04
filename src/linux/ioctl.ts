import { libc } from './libc.ts';

/** Of a descriptor, a request and what it reads or writes. Below 0 where the kernel refuses: look at `errnoName`. */
export const ioctl = libc('int ioctl(int, unsigned long, void *)');
