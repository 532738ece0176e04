"""Compiles a function's code, in a sandbox that does nothing else: none of that code runs here.

The answer to its one request is a line of JSON, `[[path, size], ...]`, and behind it the compiled files, one after
another. What can't be compiled is left out: who loads it is told what is wrong with it.
"""

import json
import marshal
import os
from importlib.util import MAGIC_NUMBER

CODE_DIR = '/handler'
# More than people write. What is left out is compiled by each sandbox that imports it.
_MAX_FILES = 1000
_MAX_SOURCE = 1024 * 1024

# PEP 552: not checked against its source, which can't change as long as this version is there. Then the source's hash.
_HEADER = MAGIC_NUMBER + (1).to_bytes(4, 'little') + bytes(8)


def compile_all(top=CODE_DIR):
    """The body of the answer."""
    compiled = []
    for path in sorted(sources(top))[:_MAX_FILES]:
        content = compiled_file(top, path)
        if content is not None:
            compiled.append((path, content))
    index = json.dumps([[path, len(content)] for path, content in compiled])
    return b'\n'.join([index.encode(), b''.join(content for _, content in compiled)])


def sources(top):
    """Paths below `top`, of those that have a name that text can hold."""
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.relpath(os.path.join(directory, name), top)
            if name.endswith('.py') and not os.path.islink(os.path.join(directory, name)) and path.isprintable():
                yield path


def compiled_file(top, path):
    """None where it can't be compiled, for whatever reason."""
    with open(os.path.join(top, path), 'rb') as file:
        source = file.read(_MAX_SOURCE + 1)
    if len(source) > _MAX_SOURCE:
        return None
    try:
        code = compile(source, os.path.join(CODE_DIR, path), 'exec', dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return None
    return _HEADER + marshal.dumps(code)
