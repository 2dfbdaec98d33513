"""A class at once: every submission that was handed in is graded on all cores or machines, and kept in the gradebook.

places      what was handed in, as a list of files: a folder, or a zip that is read and never unpacked by its names
systems     what the names in the exports of learning management systems say: Moodle, Canvas, Gradescope
roster      who is in the class, and whom a name in an export means
collect     from files to submissions; what belongs to nobody or to no exercise is kept for the end
queues      what is still to be graded, exercise by exercise, read ahead of the judges
tally       what became of each submission, and how long the rest will take
docket      what a run has to do, and what is kept of it: the one that opens the gradebook
engine      what grades the work of a docket:
  cores     the judges of this machine
  cluster   those of a Ray cluster; `node` is what runs there
judge       the process of a judge: the suite is collected once, each submission is graded in a fork
seat        that process as the one who gives it work sees it
turns       while a timed submission is graded, no other one is at the same GPU, or on the same machine's CPUs
telling     lines and a bar on a terminal, lines in a pipe
command     `dojo cohort`
"""
