"""The gradebook: every attempt of a cohort with what it rests on, and all that is drawn from it. One SQLite file.

attempt     what is recorded: jobs, results, attempts, and the footing that one run has over another
schema      the tables, their version, and the steps from older versions
file        the file: made whole, opened safely, one transaction at a time; what is wrong with it, in a line
owner       which process holds a claim, and whether it is still alive
claims      who grades what at this moment, so that two runs never grade the same
book        the gradebook itself: known, claim, record, and reading
decisions   overrides and excuses: an append-only log with reason and author
grades      the grade of each student and exercise by that policy
regrade     who changed between two gradings, by how much, and why
csvs        tables for a learning management system
lines       one attempt a line, as JSON
streams     an export reaches its file whole or not at all
figures     what an instructor wants to know of a cohort, as data
pictures    the same on the terminal
"""
