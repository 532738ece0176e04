"""Holds a file open for writing until it is told to go on, one line on standard input a step.

writer.py half <path> <first> <rest>   writes <first>, waits, writes <rest>, closes
writer.py map <path>                   maps the file shared and writable, closes its descriptor, waits, unmaps
writer.py rename <path>                replaces the file by rename, again and again, until told to stop
writer.py rewrite <path>               writes the file anew in two steps, again and again, until told to stop

The last two say the number that is in the file at the end.
"""

import mmap
import os
import select
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


def edits():
    """Numbers, with pauses from none (the next edit meets a reader halfway) to 0.2 s (the slowest reader gets through)."""
    say("ready")
    number = 0
    while True:
        yield number
        if select.select([sys.stdin], [], [], (number % 7) ** 3 / 1000)[0]:
            return say(f"{number:06}")
        number += 1


def rename(path):
    for number in edits():
        with open(path + ".new", "w") as file:
            file.write(body(number) + body(number))
        os.rename(path + ".new", path)


def rewrite(path):
    for number in edits():
        with open(path, "w") as file:
            file.write(body(number))
            file.flush()
            time.sleep(0.002)
            file.write(body(number))


if __name__ == "__main__":
    {"half": half, "map": mapped, "rename": rename, "rewrite": rewrite}[sys.argv[1]](*sys.argv[2:])
