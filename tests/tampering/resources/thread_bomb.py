"""Starts threads without end."""
# verdicts: run_time_error

import threading
import time


def double(x):
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
