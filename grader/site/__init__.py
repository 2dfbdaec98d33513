"""The instructor's pages on a class: one folder of HTML that needs nothing beside itself, drawn from the gradebook.

views     what the pages say, as plain data
render    the templates
write     the folder: an index, and a page for each student
"""
