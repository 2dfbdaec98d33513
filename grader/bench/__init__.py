"""`make bench`: what a grade costs, as ratios within one run, for seconds do not travel from machine to machine.

figures     a measured thing: n, minimum, median, 95th percentile
cold        `dojo grade` in a fresh process, beside a bare `import torch`; its memory
warm        from a save to the verdict, beside a plain pytest of the same suite
workers     a fresh worker with its first training step; what isolation adds to a grade
cohort      a class, beside plain pytest and otter-grader; its memory
growth      a class ten times as large
classroom   the submissions of a class
class_run   `dojo cohort` on it
rivals      other ways to grade: plain pytest
otter       the same tests under otter-grader
tree        CPU time and memory of a process and all below it
soak        a thousand saves under `dojo watch`
training    the final project's network beside a plain one, at equal CPU seconds
"""
