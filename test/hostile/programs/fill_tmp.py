import errno


def handler(event):
    written = 0
    try:
        for number in range(1000):
            with open(f'/tmp/{number}', 'wb', buffering=0) as file:
                written += file.write(bytes(1024 * 1024))
    except OSError as error:
        return [errno.errorcode[error.errno], written]
