import os
import signal
import time


def handler(event):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            while True:
                with open('/host/alive', 'a') as file:
                    file.write('.')
                time.sleep(0.01)
        os._exit(0)
    os.wait()
    return 'left behind'
