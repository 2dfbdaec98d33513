"""`dojo watch`: from a save to the verdict, with everything warm. Nothing here is needed for a grade.

watch       the loop: saves, results, keys
desk        one exercise: its file, a warm judge, what is known of the file as it is now
errand      what the warm judge is doing, since when, how far it is
board       which results still hold, which tests are due, and in which order
affected    which tests a change can affect; `outline` cuts a file into statements
saves       notices that a file was saved; `ground` that the suite, the grader or a package has changed
view        what there is to show; `screen` draws it, `layout` makes it fit
terminal    has the terminal meanwhile; `keys` reads strokes
station     the warm judge as the watch sees it; `standing` is that process, `lanes` its forks
"""
