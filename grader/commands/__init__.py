"""The commands of `dojo`, made with click. Each imports what it needs when it runs.

group         the root command; click's errors in one line; sections in its help
options       EX and its completion, and the options that several commands share
judging       grade, watch, report
learning      status (and `dojo` alone), list, start, lesson, read, hint
own_files     reset, diff, solution
similar       similar
gradebook     gradebook (summary, export, show, decisions, check), regrade
machine       doctor, completion
staff         verify, new, rerun, calibrate, stubs
"""
