"""python -m tests.tampering: every attack against real exercises, as a table."""

import sys

from tests.tampering.table import main

if __name__ == "__main__":
    sys.exit(main())
