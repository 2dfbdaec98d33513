"""Has only names that a terminal obeys, close to the one that is due."""
# verdicts: run_time_error

for number in range(3):
    globals()["doubl\x1b[2J\n::error::" + str(number)] = number
    globals()["double\x9b31m" + "\u202e" * number] = number
del number
