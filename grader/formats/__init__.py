"""Reports in the forms that other systems read. Each is drawn from the report that a student may see.

words        a test's outcome in plain text, safe in any log
junit        JUnit XML, for most systems of continuous integration
exercism     results.json of Exercism's test runners, version 3
classroom    results for GitHub Classroom's reporter, one for each task
gradescope   results.json of a Gradescope autograder
github       the summary of a job and the annotations of its files
command      `dojo results`
"""
