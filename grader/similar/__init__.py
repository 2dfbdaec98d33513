"""Which submissions of a class are suspiciously alike, by structure and not by text. Nothing of them is run.

tokens        a file as a row of symbols; what costs nothing to change is left out
prints        fingerprints of a submission with copydetect, less the code that everybody was given
overlaps      how much of each submission is found in each other one
pairs         the pairs that are worth a look, as plain data: `find_similar`
gather        submissions as text, from folders, zips and exports
command       `dojo similar`
telling       the table
view, render  the page: both files of a pair side by side
disguise      copies as somebody would hide them, made by machine
measure       `python -m grader.similar.measure`: how often all this is wrong
"""
