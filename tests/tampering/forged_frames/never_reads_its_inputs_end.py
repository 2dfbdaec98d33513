"""Answers and then stays, deaf to the goodbye."""
# verdicts: wrong_answer, time_limit_exceeded

import threading
import time


def double(x):
    from grader.worker import serve

    serve.decode = lambda *args: time.sleep(60)
    threading.Thread(target=time.sleep, args=(60,)).start()
    return x
