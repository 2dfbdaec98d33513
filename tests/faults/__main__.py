"""`make faults`: prints the table, or the rows whose names hold a word."""

import sys

from tests.faults.table import print_table

sys.exit(print_table(*sys.argv[1:2]))
