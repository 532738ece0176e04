"""Functions in machine code, for what must be done without Python in between."""

import ctypes
import platform

import mappings


def function(codes, result, *arguments):
    """A function with these types, of the code (hexadecimal) for this machine; None where there is none, or the kernel lets nobody
    make code. It stays for as long as the process."""
    code = codes.get(platform.machine())
    if code is None:
        return None
    try:
        address = _executable(bytes.fromhex(code))
    except OSError:
        return None
    # Keeps the GIL: a process that is cloned while another part of the interpreter runs would inherit a broken one.
    return ctypes.PYFUNCTYPE(result, *arguments)(address)


def _executable(code):
    """The address of these bytes, in memory that nobody can write to any more."""
    address = mappings.make(mappings.PAGE_BYTES, mappings.READ | mappings.WRITE, mappings.PRIVATE | mappings.ANONYMOUS)
    ctypes.memmove(address, code, len(code))
    # It is now that the kernel makes sure that what was written is what is executed.
    mappings.protect(address, mappings.PAGE_BYTES, mappings.READ | mappings.EXECUTE)
    return address
