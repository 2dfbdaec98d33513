"""The student's way through the course: what is remembered of it, where it stands, what comes next.

record           what `.dojo/state.json` holds, as types; keys that it does not know are kept
store            that file: locked, written atomically, put aside where it can't be read
progress         where one stands, from the record; what a graded run changes in it
hints            which hint is next
overview, start  the pictures of `dojo` and `dojo start`
congratulations  the word for an exercise that is solved, and the card for the course
printing         rich on a terminal, plain text in a pipe, a pager for what is long
wording          what a person types for a command, with make or without
"""
