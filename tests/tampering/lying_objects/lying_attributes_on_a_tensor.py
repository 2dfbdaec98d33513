"""Hangs the judge's own notes and forged methods on a plain tensor."""
# verdicts: wrong_answer


def double(x):
    x.worker_device = "cpu"
    x.wire_device = "cuda"
    x.isfinite = x.double = x.__sub__ = lambda *args: 2 * x
    return x
