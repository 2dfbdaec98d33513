"""`make bench`: what a grade costs, as ratios within one run, for seconds do not travel from machine to machine.

figures     a measured thing: n, minimum, median, 95th percentile
cold        `dojo grade` in a fresh process, beside a bare `import torch`; its memory
warm        from a save to the verdict, beside a plain pytest of the same suite
workers     a fresh worker with its first training step; what isolation adds to a grade
training    the final project's network beside a plain one, at equal CPU seconds
"""
