"""The report as a page: one HTML file that needs nothing beside itself, in a browser, on paper and in a notebook.

command   `dojo report`: grade, draw, write, open
inline    the same for a notebook, in a process of its own
making    one submission graded and drawn, and the page of it
view      what the page says, as plain data: no markup
tasks     the tasks of it, with what failed
advice    what to do next
source    the submission's text, line by line, with what failed where
render    the templates, and what they may put on a page
"""
