"""`dojo lesson`: a lesson as a notebook. Its README.md is the one source; the notebook is made from it.

cells     a lesson's text as cells, and the cells in which a student's own functions are tried
pair      the notebook as two files, kept in step by Jupytext; what a student changed is never overwritten
jupyter   opens it
"""
