"""A class at once: every submission that was handed in is graded on all cores, and kept in the gradebook.

places      what was handed in, as a list of files: a folder, or a zip that is read and never unpacked by its names
systems     what the names in the exports of learning management systems say: Moodle, Canvas, Gradescope
roster      who is in the class, and whom a name in an export means
collect     from files to submissions; what belongs to nobody or to no exercise is kept for the end
readers     reads submissions ahead of the judges, on all cores
queues      what is still to be graded, exercise by exercise, and how long that may take
judge       the process of a judge: the suite is collected once, each submission is graded in a fork
seat        that process as the dispatcher sees it
turns       while a timed submission is graded, no other one is at the same GPU, or on the same machine's CPUs
tally       what became of each submission
dispatch    hands submissions to judges; the one that opens the gradebook
telling     lines and a bar on a terminal, lines in a pipe
command     `dojo cohort`
"""
