"""What a sandbox may ask a name server, and which ones the machine asks.

The machine's name server may trust whoever is on the machine. So what is passed on to it is one plain question: no update of a
zone, no transfer of one, nothing that is not a question.
"""

import os
import socket

_HEADER_SIZE = 12
_LONGEST_NAME = 255
_TRANSFERS = (251, 252)  # IXFR, AXFR
_MAX_SERVERS = 3
_PORT = 53
RESOLV_CONF = '/etc/resolv.conf'


def is_question(message):
    """One question of the kind that resolvers ask, in the format of DNS."""
    if len(message) < _HEADER_SIZE or message[2] & 0xF8 or message[4:6] != b'\0\1':
        return False  # too short; an answer, or another operation than a query; not one question
    if message[6:10] != bytes(4):
        return False  # brings records along, other than the options of EDNS
    at = _HEADER_SIZE
    while at < len(message) and message[at] != 0:
        if message[at] > 63 or at > _HEADER_SIZE + _LONGEST_NAME:
            return False
        at += message[at] + 1
    kind = message[at + 1 : at + 3]
    return at + 5 <= len(message) and int.from_bytes(kind, 'big') not in _TRANSFERS


def is_answer(message, question):
    return len(message) >= _HEADER_SIZE and message[:2] == question[:2] and message[2] & 0x80 != 0


class Servers:
    """The name servers of the machine, as they are now."""

    def __init__(self, path=RESOLV_CONF):
        self._path = path
        self._seen = None
        self._servers = []

    def now(self):
        try:
            found = os.stat(self._path)
            seen = found.st_mtime_ns, found.st_ino, found.st_size
            if seen != self._seen:
                with open(self._path, encoding='utf-8', errors='replace') as file:
                    self._servers = servers_in(file.read())
                self._seen = seen
        except FileNotFoundError:
            self._servers = []
        # As the C library does where none is named.
        return self._servers or ['127.0.0.1']


def servers_in(text):
    words = [line.split() for line in text.splitlines()]
    return [line[1] for line in words if len(line) > 1 and line[0] == 'nameserver'][:_MAX_SERVERS]


def connect(server, kind):
    """A socket that is connected to a name server, or on its way there; None where that can't be."""
    family = socket.AF_INET6 if ':' in server else socket.AF_INET
    try:
        connection = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    except OSError:
        return None
    try:
        # With a scope, `fe80::1%eth0`, it takes more than the text.
        connection.connect(socket.getaddrinfo(server, _PORT, family, kind, 0, socket.AI_NUMERICHOST)[0][4])
    except BlockingIOError:
        pass
    except OSError:
        connection.close()
        return None
    return connection
