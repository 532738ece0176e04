"""Writes a tar archive to stdout: the machine's Python and all that it needs to run, and nothing else of the machine.

The argument is a directory whose content goes in as well (`etc`, empty directories).
"""

import os
import re
import stat
import subprocess
import sys
import sysconfig
import tarfile

PYTHON = '/usr/bin/python3'
SHELL = '/bin/sh'
LINKED = ('bin', 'sbin', 'lib', 'lib64', 'lib32', 'libx32')
# What a program finds at run time, so that `ldd` does not tell of it; binary packages expect the last ones of any Linux.
BY_NAME = ('libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2', 'libgcc_s.so.1', 'libstdc++.so.6', 'libz.so.1')
# Of the standard library: tests, what needs a screen, the texts of `help()`, and (`config-...`) what only a C compiler reads.
LEFT_OUT = {'test', 'tests', 'idlelib', 'turtledemo', 'turtle.py', 'tkinter', 'ensurepip', 'pydoc_data'}
# Modules for tests and for a screen; and NIS, a directory service of local networks, that all of Kerberos would come along for.
LEFT_OUT_MODULES = re.compile(r'(_test|_ctypes_test|_xxtestfuzz|xxlimited|_tkinter|nis|turtle)[^/]*\.(so|pyc)$')
DATA = ('/usr/share/zoneinfo', '/usr/lib/locale/C.utf8', '/usr/lib/ssl')
# The same time zones once more, and with leap seconds.
ZONES_TWICE = ('/usr/share/zoneinfo/posix', '/usr/share/zoneinfo/right')
# For workers without uv. It fetches what builds a package, and what it compiles of itself takes less time than that.
PIP = '/usr/lib/python3/dist-packages/pip'


class Archive:
    def __init__(self, output):
        self._tar = tarfile.open(fileobj=output, mode='w|', format=tarfile.PAX_FORMAT)
        self._seen = set()

    def add(self, path):
        """A file, or a link and what it leads to, at the place where it really is; a directory whole."""
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if path in self._seen or not os.path.lexists(path):
            return
        self._parents(os.path.dirname(path))
        self._one(path, path)
        if os.path.islink(path):
            self.add(os.path.join(os.path.dirname(path), os.readlink(path)))
        elif os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                if not is_left_out(path, name):
                    self.add(os.path.join(path, name))

    def add_below(self, top, path='/'):
        for name in sorted(os.listdir(top + path)):
            inner = os.path.join(path, name)
            self._one(top + inner, inner)
            if os.path.isdir(top + inner) and not os.path.islink(top + inner):
                self.add_below(top, inner)

    def close(self):
        self._tar.close()

    def _parents(self, path):
        if path == '/' or path in self._seen:
            return
        self._parents(os.path.dirname(path))
        self._one(path, path)

    def _one(self, source, path):
        if path in self._seen:
            return
        self._seen.add(path)
        mode = os.lstat(source).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            return
        entry = self._tar.gettarinfo(source, path)
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = 'root'
        entry.mode &= 0o755
        if entry.islnk():  # a second name of a file that is in there under another one
            entry.type, entry.size, entry.linkname = tarfile.REGTYPE, os.path.getsize(source), ''
        with open(source, 'rb') if entry.isreg() else open(os.devnull, 'rb') as content:
            self._tar.addfile(entry, content if entry.isreg() else None)


def is_left_out(parent, name):
    path = os.path.join(parent, name)
    if name in LEFT_OUT or name.startswith('config-') or path in ZONES_TWICE:
        return True
    return LEFT_OUT_MODULES.match(name) is not None or (name == '__pycache__' and path.startswith(PIP))


def libraries(files):
    """What these need of shared libraries, the loader included."""
    done = subprocess.run(['ldd', *files], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in done.stdout.splitlines():
        words = line.split()
        if line.startswith('\t') and words:
            yield from (word for word in (words[0], words[2] if len(words) > 2 else '') if word.startswith('/'))


def main(extra):
    archive = Archive(sys.stdout.buffer)
    archive.add_below(extra)
    for name in LINKED:
        if os.path.islink('/' + name):
            archive._one('/' + name, '/' + name)
    library = sysconfig.get_path('stdlib')
    modules = os.path.join(library, 'lib-dynload')
    extensions = [os.path.join(modules, name) for name in sorted(os.listdir(modules)) if name.endswith('.so') and not is_left_out(modules, name)]
    for path in (PYTHON, SHELL, library):
        archive.add(path)
    needed = sorted(set(libraries([os.path.realpath(PYTHON), os.path.realpath(SHELL), *extensions])))
    libc = next(os.path.dirname(os.path.realpath(path)) for path in needed if os.path.basename(path) == 'libc.so.6')
    for path in [*needed, *(os.path.join(libc, name) for name in BY_NAME), *DATA]:
        archive.add(path)
    archive.add(PIP)
    archive.close()


main(sys.argv[1])
