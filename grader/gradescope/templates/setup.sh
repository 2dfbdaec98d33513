#!/usr/bin/env bash
# Runs once, when Gradescope builds the image: Python's packages by their hashes, and the sandbox.
set -euo pipefail
cd /autograder/source/course
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv bubblewrap >/dev/null
python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
    || { echo "choose a base image with Python 3.11 to 3.13: this one has $(python3 --version)" >&2; exit 1; }
python3 -m venv /autograder/venv
/autograder/venv/bin/python -m pip install --quiet --require-hashes -r requirements.lock
/autograder/venv/bin/python -m pip install --quiet --no-deps .
chmod -R go= /autograder/source
