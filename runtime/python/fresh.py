"""What must not be the same in two forks of one interpreter, and is not made new by Python itself.

`random` is seeded again by a hook of Python's own, OpenSSL by itself when its process id has changed, and `uuid4`, `secrets`
and `os.urandom` ask the kernel.
"""

import sys


def make_fresh():
    """In a sandbox that has just been forked: from here on its numbers are its own."""
    numpy_random = sys.modules.get('numpy.random')
    if numpy_random is not None:
        numpy_random.seed()
    uuid = sys.modules.get('uuid')
    if uuid is not None:
        uuid._node = uuid._last_timestamp = None
