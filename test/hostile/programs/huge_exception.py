def handler(event):
    raise ValueError('x' * (256 * 1024 * 1024 if event.get('large') else 8 * 1024 * 1024))
