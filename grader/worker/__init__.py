"""The sandbox's side: a warm parent, a supervisor per worker, and the worker that runs the submission.

These modules and `grader.wire` are all of the grader that enters the sandbox. They hold no suite, answer or label.

    warm         imports torch once, then forks; runs no code of a submission
    supervisor   first process of a worker's PID name space: files, mounts, hard limits, the fork of the worker
    watch        the supervisor's loop: the watchdog, memory figures, the end
    serve        loads the submission, answers the judge's requests
    pages       puts the warm parent's memory in order, so that a fork costs less
    kernel       the system calls that Python 3.11 has no function for
"""
