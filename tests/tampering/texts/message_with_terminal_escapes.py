"""Raises an error whose text holds terminal escapes, workflow commands and a flood."""
# verdicts: run_time_error, wrong_answer


def double(x):
    text = "\x1b[2J\x1b]8;;http://example.org\x07\n::error::owned\n  ::set-output name=a::b\n\x9b31m\r"
    print(text, flush=True)
    raise RuntimeError(text + text * 100_000)
