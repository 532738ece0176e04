"""A function's packages: puts those of its lock, and no others, where `import` finds them.

Each package is a directory of its own below ROOT, and all of them are at the end of `sys.path`, as site-packages is. So
everything that looks there (importlib.metadata, pkgutil, namespace packages) finds what it expects. But `import` would
look into each directory for each top-level name, found or not. So each gets a finder that knows from the lock's index
which names are in there: one that is in none of them costs no look at the disk, one that is costs a look into its own.
"""

import json
import os
import sys
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    BYTECODE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)

import path_files

ROOT = '/packages'
NONE = b'-'
# In the directory of the function's code.
LIST = 'packages.txt'
_LOADERS = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


class IndexedFinder(FileFinder):
    """Finds modules in a directory where only `names` are to be found."""

    def __init__(self, path, names):
        super().__init__(path, *_LOADERS)
        self._names = frozenset(names)

    def find_spec(self, fullname, target=None):
        return super().find_spec(fullname, target) if fullname in self._names else None


def activate(lock_id):
    """What is there already, from a zygote, stays; `lock_id` is as the start request has it, and not `NONE`."""
    with open('%s/.locks/%s.index' % (ROOT, lock_id.decode('ascii')), 'rb') as file:
        index = json.load(file)
    known = set(sys.path)
    dirs = []
    for name, modules in index['dirs']:
        path = '%s/%s' % (ROOT, name)
        dirs.append(path)
        if path not in known:
            sys.path_importer_cache[path] = IndexedFinder(path, modules)
            sys.path.append(path)
    path_files.carry_out([(dirs[at], name) for at, name in index['pth'] if dirs[at] not in known])
    # After them: what they have added to PATH stays.
    prepare_programs(dirs, index['bin'])


def prepare_programs(dirs, bins):
    """For what the function starts: the packages' own programs, and other Pythons, which know no index."""
    os.environ['PYTHONPATH'] = ':'.join(dirs)
    if bins:
        os.environ['PATH'] = ':'.join([os.environ.get('PATH', ''), *('%s/%s/bin' % (ROOT, name) for name in bins)])
