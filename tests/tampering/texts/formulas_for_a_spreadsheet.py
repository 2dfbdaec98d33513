"""Raises and returns text that a spreadsheet would compute."""
# verdicts: run_time_error, wrong_answer


def double(x):
    text = '=HYPERLINK("http://example.org","ok"),+1+1,-2+3,@SUM(1),\t=1,\r=1,=cmd|\' /C calc\'!A0'
    print(text, flush=True)
    if x.dim():
        return text
    raise type("=1+1", (Exception,), {})(text)
