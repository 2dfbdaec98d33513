"""Figures of a report: what a submission's own results look like, beside what was due.

draw       loads an exercise's `figure.py`, gives it a worker, and returns its pictures whatever happens there
picture    one picture with its words, and `attempt`, which turns a failed call into a reason
values     what a submission returned, checked before it is drawn: type, size, finite
style      colours that every reader can tell apart in a light and a dark page, sizes that stay legible on a phone
heat       a matrix as a heat map with its numbers
svg        a matplotlib figure as SVG that is safe to put into a page
"""
