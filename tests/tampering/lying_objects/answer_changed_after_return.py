"""Has a thread change the answer while it is being checked."""
# verdicts: wrong_answer

import threading


def double(x):
    answer = x.clone()

    def mend():
        for _ in range(10_000):
            answer.copy_(2 * x)

    threading.Timer(0.05, mend).start()
    return answer
