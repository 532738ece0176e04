"""The runtime's server on descriptor 3, with a handler that returns its event. Argument: the directory of the runtime."""

import sys

sys.path.insert(0, sys.argv[1])
import function
import server

while server.answer(3, function.Function.rehearsed()):
    pass
