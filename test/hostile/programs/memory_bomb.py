def handler(event):
    held = []
    while True:
        held.append(b'x' * (1024 * 1024))
