"""Runs a command in a new cgroup that is marked as systemd marks a service with `Delegate=yes`.

Arguments: the cgroup's directory, the command. A second process stays in the cgroup beside it.
"""

import os
import signal
import sys

directory, *command = sys.argv[1:]
os.mkdir(directory)
os.setxattr(directory, 'trusted.delegate', b'1')
with open(f'{directory}/cgroup.procs', 'w') as procs:
    procs.write('0')
if os.fork() == 0:
    os.close(1)  # whoever reads what the command prints waits for its end
    os.close(2)
    signal.pause()
os.execv(command[0], command)
