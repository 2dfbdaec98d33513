"""Keeps each answer back and sends it in answer to the next call."""
# verdicts: run_time_error, wrong_answer, time_limit_exceeded

from grader.worker import serve

real, kept = serve.Submission.answer, []


def late(self, request):
    kept.append(real(self, request))
    return kept.pop(0) if len(kept) > 1 else kept[0][:0]


serve.Submission.answer = late


def double(x):
    return 2 * x[:0]
