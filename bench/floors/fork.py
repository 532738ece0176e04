"""Forks and waits, as often as the argument says; prints the times in ms as JSON."""

import json
import os
import sys
import time

times = []
for _ in range(int(sys.argv[1])):
    start = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    times.append((time.perf_counter() - start) * 1000)
print(json.dumps(times))
