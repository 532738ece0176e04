import threading
import time


def handler(event):
    started = 0
    while True:
        try:
            threading.Thread(target=time.sleep, args=(60,)).start()
            started += 1
        except RuntimeError:
            if event.get('report'):
                # Threads that wait would hold up the end of a process, not that of a sandbox.
                return started
