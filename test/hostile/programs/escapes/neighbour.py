import socket

kept = []


def handler(event):
    """Another tenant, who listens wherever a sandbox can; tells its addresses."""
    if not kept:
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind('\0' + event['abstract'])
        abstract.listen()
        kept.extend([abstract, socket.create_server(('0.0.0.0', event['port']))])
    with open('/proc/net/fib_trie') as file:
        words = file.read().split()
    return sorted({word for word in words if word.count('.') == 3 and not word.startswith(('127.', '0.'))})
