"""Holds a file open for writing until it is told to go on, one line on standard input a step.

writer.py half <path> <first> <rest>   writes <first>, waits, writes <rest>, closes
writer.py map <path>                   maps the file shared and writable, closes its descriptor, waits, unmaps
writer.py rename <path> <times>        replaces the file by rename, again and again
writer.py rewrite <path> <times>       writes the file anew in two steps, again and again
"""

import mmap
import os
import sys
import time


def say(word):
    print(word, flush=True)


def wait():
    sys.stdin.readline()


def half(path, first, rest):
    with open(path, "w") as file:
        file.write(first)
        file.flush()
        say("ready")
        wait()
        file.write(rest)


def mapped(path):
    with open(path, "r+b") as file:
        mapping = mmap.mmap(file.fileno(), 0)
    say("ready")
    wait()
    mapping.close()


def body(number):
    return f"{number:06}" * 2000 + "\n"


def rename(path, times):
    say("ready")
    for number in range(int(times)):
        with open(path + ".new", "w") as file:
            file.write(body(number) + body(number))
        os.rename(path + ".new", path)
        time.sleep(0.003)


def rewrite(path, times):
    say("ready")
    for number in range(int(times)):
        with open(path, "w") as file:
            file.write(body(number))
            file.flush()
            time.sleep(0.002)
            file.write(body(number))
        time.sleep(0.008)


if __name__ == "__main__":
    {"half": half, "map": mapped, "rename": rename, "rewrite": rewrite}[sys.argv[1]](*sys.argv[2:])
    say("done")
