"""Raises and prints markup that a web page, a mail or a pull request would show."""
# verdicts: run_time_error, wrong_answer

TEXT = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> [all passed](javascript:alert(1)) ![x](http://example.org/x)"
)
TEXT += "\n# 100 points\n| task | points |\n|---|---|\n| 1 | 999 |\n``` @everyone closes #1 <!-- --> &lt;b&gt; $(reboot) `reboot`"


def double(x):
    print(TEXT, flush=True)
    raise RuntimeError(TEXT)
