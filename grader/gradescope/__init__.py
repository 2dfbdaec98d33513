"""A Gradescope autograder: the zip that is uploaded there, and what its `run_autograder` does.

bundle    `dojo gradescope 3`: the zip with `setup.sh`, `run_autograder` and the course
harness   runs where Gradescope runs it: grades the one submission, writes results.json
"""
