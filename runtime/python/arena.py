"""Memory that is known by its addresses, so that what is in it can be handed over as it is."""

import ctypes

_WORD = ctypes.sizeof(ctypes.c_int64)


class Arena:
    """Hands out a mapping piece by piece."""

    def __init__(self, address, length):
        self._next = address
        self._end = address + length

    @property
    def next(self):
        """The address of what is taken next."""
        return self._next

    def words(self, count):
        """An array of so many, as the memory is. Raises MemoryError."""
        return self.structure(ctypes.c_int64 * count)

    def structure(self, kind):
        """One of this type, as the memory is. Raises MemoryError."""
        address, length = self._next, ctypes.sizeof(kind)
        following = address + (length + _WORD - 1) // _WORD * _WORD
        if following > self._end:
            raise MemoryError(f'{length} bytes are not left in an arena')
        self._next = following
        return kind.from_address(address)


class Apart:
    """The same where nobody hands anything over: each is where Python puts it, and all 0."""

    def words(self, count):
        return self.structure(ctypes.c_int64 * count)

    def structure(self, kind):
        return kind()


APART = Apart()
