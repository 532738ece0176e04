def handler(event):
    """Greets the caller: {"name": "Alice"} is answered with "Hello, Alice!"."""
    return "Hello, %s!" % event.get("name", "world")
