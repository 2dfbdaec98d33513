"""The course as students get it, and how a later version of it reaches a copy that somebody works in.

contents    the files that are handed out, and no others
manifest    what a copy was given: its version, and the hash of each file
pack        a copy as a folder, a zip and a git repository of one commit
workflow    what GitHub runs after each push to a copy
unpack      the course that a released package brings along
update      a later version, without touching what the student has written
"""
