"""What the staff decide for a course: `course.toml` in the folder of the course. docs/settings.md lists every key.

table       one table of the file: typed, and each refusal says where it stands and what was perhaps meant
policy      which attempt counts, what lateness costs, what is dropped
rules       what holds for one exercise: who reads its tests' words and when, bonus tasks, other thresholds
course      all of it, and the cohort's seeds
reading     from the file to these, held against the exercises that there are
reduced     the part that leaves the staff's checkout: a student's copy, Gradescope's zip
"""
