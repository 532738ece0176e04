"""Questions for names that come over TCP, which is where long answers go: one question at a time on each connection."""

import select
import socket
import time

import names

_MAX_CLIENTS = 128
_MAX_OF_ONE = 8
_LONGEST_QUESTION = 4096
_PATIENCE_S = 10.0
_LENGTH = 2  # bytes, before each message


class Client:
    def __init__(self, connection, address):
        self.connection = connection
        self.address = address
        self.received = b''
        self.to_send = b''
        self.server = None  # where its question has gone
        self.question = b''
        self.answer = b''
        self.until = time.monotonic() + _PATIENCE_S


class Streams:
    def __init__(self, listener, poll, servers):
        self._listener = listener
        self._poll = poll
        self._servers = servers
        self._clients = {}  # descriptor -> Client
        self._asking = {}  # descriptor of the connection to a server -> Client
        poll.register(listener, select.POLLIN)

    @property
    def is_busy(self):
        return bool(self._clients)

    def handle(self, fd):
        client = self._clients.get(fd) or self._asking.get(fd)
        try:
            if fd == self._listener.fileno():
                self._accept()
            elif fd in self._clients:
                self._go_on_with_client(client)
            elif fd in self._asking:
                self._go_on_with_server(client)
        except BlockingIOError:
            pass
        except OSError:
            if client is not None:
                self._close(client)

    def close_late(self, now):
        for client in [one for one in self._clients.values() if one.until < now]:
            self._close(client)

    def _accept(self):
        connection, (address, _port) = self._listener.accept()
        of_one = sum(client.address == address for client in self._clients.values())
        if len(self._clients) >= _MAX_CLIENTS or of_one >= _MAX_OF_ONE:
            return connection.close()
        connection.setblocking(False)
        self._clients[connection.fileno()] = Client(connection, address)
        self._poll.register(connection, select.POLLIN)

    def _go_on_with_client(self, client):
        if client.to_send:
            client.to_send = client.to_send[client.connection.send(client.to_send) :]
        else:
            received = client.connection.recv(_LONGEST_QUESTION)
            client.received += received
            if received == b'' or len(client.received) > 2 * _LONGEST_QUESTION:
                return self._close(client)
        self._next(client)

    def _next(self, client):
        """Asks what it asks next, when the answer before has been sent."""
        if client.server is None and not client.to_send:
            question = whole(client.received)
            if question is not None:
                client.received = client.received[_LENGTH + len(question) :]
                return self._ask(client, question)
        # While its question is under way nothing is read from it.
        events = select.POLLOUT if client.to_send else select.POLLIN
        self._poll.modify(client.connection, 0 if client.server is not None else events)

    def _ask(self, client, question):
        if not names.is_question(question):
            return self._close(client)
        servers = (names.connect(server, socket.SOCK_STREAM) for server in self._servers.now())
        client.server = next((server for server in servers if server is not None), None)
        if client.server is None:
            return self._close(client)
        client.until = time.monotonic() + _PATIENCE_S
        client.question = len(question).to_bytes(_LENGTH, 'big') + question
        client.answer = b''
        self._asking[client.server.fileno()] = client
        self._poll.register(client.server, select.POLLOUT)
        self._poll.modify(client.connection, 0)

    def _go_on_with_server(self, client):
        if client.question:
            client.question = client.question[client.server.send(client.question) :]
            if not client.question:
                self._poll.modify(client.server, select.POLLIN)
            return
        received = client.server.recv(65536)
        client.answer += received
        answer = whole(client.answer)
        if answer is None:
            if received == b'':
                self._close(client)
            return
        client.to_send = client.answer[: _LENGTH + len(answer)]
        self._forget_server(client)
        self._next(client)

    def _forget_server(self, client):
        if client.server is None:
            return
        self._poll.unregister(client.server)
        del self._asking[client.server.fileno()]
        client.server.close()
        client.server = None

    def _close(self, client):
        self._forget_server(client)
        self._poll.unregister(client.connection)
        del self._clients[client.connection.fileno()]
        client.connection.close()


def whole(received):
    """The message that it begins with; None where that is not all there."""
    length = int.from_bytes(received[:_LENGTH], 'big')
    return received[_LENGTH : _LENGTH + length] if len(received) >= _LENGTH + length and length else None
