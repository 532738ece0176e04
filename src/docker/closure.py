"""Writes a tar archive to stdout: the machine's Python and all that it needs to run, and nothing else of the machine.

The argument is a directory whose content goes in as well (`etc`, empty directories).
"""

import importlib.util
import io
import os
import re
import stat
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

PYTHON = '/usr/bin/python3'
SHELL = '/bin/sh'
LINKED = ('bin', 'sbin', 'lib', 'lib64', 'lib32', 'libx32')
# What a program finds at run time, so that `ldd` does not tell of it; binary packages expect the last ones of any Linux.
BY_NAME = ('libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2', 'libgcc_s.so.1', 'libstdc++.so.6', 'libz.so.1')
# Of the standard library: tests, what needs a screen, the texts of `help()`, what turns Python 2 into 3, and (`config-...`) what only
# a C compiler reads. What the machine has installed or customised is not its Python, even where it is below the library.
LEFT_OUT = {'test', 'tests', 'idlelib', 'turtledemo', 'turtle.py', 'tkinter', 'ensurepip', 'pydoc_data', 'lib2to3'}
LEFT_OUT |= {'site-packages', 'dist-packages', 'sitecustomize.py', 'usercustomize.py'}
# Compiled for `-O` and `-OO`, with which nothing is run; what only a linker reads.
LEFT_OUT_FILES = re.compile(r'.*(\.opt-[12]\.pyc|\.a)$|(sitecustomize|usercustomize)\.[^/]*pyc$')
# Modules for tests and for a screen; and NIS, a directory service of local networks, that all of Kerberos would come along for.
LEFT_OUT_MODULES = re.compile(r'(_test|_ctypes_test|_xxtestfuzz|xxlimited|_tkinter|nis|turtle)[^/]*\.(so|pyc)$')
DATA = ('/usr/share/zoneinfo', '/usr/lib/locale/C.utf8', '/usr/lib/ssl')
# The same time zones once more, and with leap seconds; OpenSSL's Perl.
LEFT_OUT_DATA = ('/usr/share/zoneinfo/posix', '/usr/share/zoneinfo/right', '/usr/lib/ssl/misc')


class Archive:
    def __init__(self, output):
        self._tar = tarfile.open(fileobj=output, mode='w|', format=tarfile.PAX_FORMAT)
        self._seen = set()

    def add(self, path):
        """A file, or a link and what it leads to, at the place where it really is; a directory whole."""
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if path in self._seen or not os.path.lexists(path) or is_private(path):
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

    def add_bytes(self, path, content):
        """A file that the machine does not have."""
        self._parents(os.path.dirname(path))
        entry = tarfile.TarInfo(path.lstrip('/'))
        entry.size, entry.mode, entry.uname, entry.gname = len(content), 0o644, 'root', 'root'
        self._tar.addfile(entry, io.BytesIO(content))

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
        with open(source, 'rb') if entry.isreg() else open(os.devnull, 'rb') as content:
            self._tar.addfile(entry, content if entry.isreg() else None)


def is_private(path):
    """True for what not everybody may read, and for the machine's own /etc: what is public of that has come with the argument."""
    return path.startswith('/etc/') or not os.lstat(path).st_mode & stat.S_IROTH


def is_left_out(parent, name):
    if name in LEFT_OUT or name.startswith('config-') or os.path.join(parent, name) in LEFT_OUT_DATA:
        return True
    return LEFT_OUT_MODULES.match(name) is not None or LEFT_OUT_FILES.match(name) is not None


def add_pip(archive):
    """For workers without uv. It runs as it is in an archive, a quarter as large, and fetches what builds a package."""
    spec = importlib.util.find_spec('pip')
    if spec is None:
        return
    (top,) = spec.submodule_search_locations
    place = os.path.realpath(os.path.dirname(top))
    archive.add_bytes(os.path.join(place, 'pip.zip'), zipped(top))
    archive.add_bytes(os.path.join(place, 'pip.pth'), b'pip.zip\n')


def zipped(top):
    """A package; without what is compiled of it, and Windows' programs."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, 'w', zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for parent, _, names in os.walk(top):
            for name in names:
                path = os.path.join(parent, name)
                if not name.endswith(('.pyc', '.exe')):
                    archive.write(path, os.path.relpath(path, os.path.dirname(top)))
    return content.getvalue()


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
    add_pip(archive)
    archive.close()


main(sys.argv[1])
