"""Carries out the `.pth` files of packages, as `site` does on a usual installation: once in an interpreter.

A zygote does so before it imports anything: modules may need what such a file does. A sandbox that is forked from it has
all that its lines have done in memory. What they have done to `sys.path` and to the environment is undone with everything that
importing changes, and done again in the sandbox. So a function finds the same with a zygote and without.
"""

import os
import site
import sys

_NOWHERE = '/packages/.nowhere'

# What each file did that has been carried out in this interpreter, or in one that it was forked from.
_done = {}


class Effects:
    """What a file did beyond what memory keeps: entries in front of `sys.path` and behind it, and variables, None for one that
    was removed. `is_known` is false where it did more to `sys.path` than to add to it."""

    def __init__(self, path, environment):
        at = next((at for at in range(len(sys.path)) if sys.path[at : at + len(path)] == path), None)
        self.is_known = at is not None
        self.front = sys.path[:at] if self.is_known else []
        self.back = sys.path[at + len(path) :] if self.is_known else []
        names = set(environment) | set(os.environ)
        changed = [name for name in names if environment.get(name) != os.environ.get(name)]
        self.variables = {name: os.environ.get(name) for name in changed}

    def repeat(self):
        sys.path[:0] = [entry for entry in self.front if entry not in sys.path]
        sys.path.extend(entry for entry in self.back if entry not in sys.path)
        for name, value in self.variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def carry_out(files):
    """Each is a directory, and the name of a file in it.

    Those that make a namespace package (`...-nspkg.pth`) know of their own directory only: on a usual installation it is that
    of all others, too. A namespace looks again for all its parts when `sys.path` has changed since it was made, and so it does.
    """
    if not files:
        return
    sys.path.append(_NOWHERE)
    for file in files:
        if file in _done:
            _done[file].repeat()
            continue
        path, environment = list(sys.path), dict(os.environ)
        site.addpackage(*file, None)
        _done[file] = Effects(path, environment)
    sys.path.remove(_NOWHERE)
    sys.path_importer_cache.pop(_NOWHERE, None)


def files_in(directories):
    """All there are, in the order in which `site` takes those of one directory."""
    return [
        (directory, name)
        for directory in directories
        for name in sorted(os.listdir(directory))
        if name.endswith('.pth') and not name.startswith('.')
    ]


def not_repeatable():
    """The files whose effects can't be had again in a fork."""
    return ['/'.join(file) for file, effects in _done.items() if not effects.is_known]
