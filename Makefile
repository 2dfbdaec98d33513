# Every target sets up what it needs by itself, once: .venv from requirements.lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# In every process that we start: idle OpenMP threads sleep, for spinning ones slow two busy processes 30 times.
export OMP_WAIT_POLICY = PASSIVE
export EX NAME FROM DEVICE SEED SANDBOX SUITE AUDIENCE REPORT GUIDED WHOLE TIMES TRAINING RUNS PLANTS DATA ONLY POLL
export TASK YES SOLUTION OPEN SUBMISSIONS FORCE ROSTER GRADEBOOK JOBS LEAST

.DEFAULT_GOAL := help
.PHONY: help setup start status list lesson hint grade watch cohort gradebook regrade similar report diff reset solution doctor stubs train evaluate test format lint types tests verify new rerun calibrate tamper fuzz faults bench data lock clean

help: ## this list
	@echo "Torch Dojo: PyTorch exercises that are graded honestly."
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo "  EX=3 | final | all   FROM=solutions | path   DEVICE=auto | cpu | cuda"
	@echo "  SEED=number   SANDBOX=auto | require | off   AUDIENCE=student | instructor"

setup: $(READY) ## install everything into .venv (done by itself when needed)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "make: '$(PYTHON)' is to be Python 3.11 to 3.13; name one: make PYTHON=python3.12 …" >&2; exit 2; }
	@echo "Setting up .venv: about two minutes and 6 GB, once."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

start: $(READY) ## the first lesson, in a minute
	@$(BIN)/dojo start

status: $(READY) ## where you stand, and what is next
	@$(BIN)/dojo status

list: $(READY) ## the exercises and their points
	@$(BIN)/dojo list

lesson: $(READY) ## the lesson of an exercise: make lesson EX=3
	@$(BIN)/dojo lesson -- "$$EX"

hint: $(READY) ## one more hint: make hint EX=3 (TASK=2 for a task)
	@$(BIN)/dojo hint $${TASK:+--task "$$TASK"} -- "$$EX"

grade: $(READY) ## grade an exercise: make grade EX=3
	@$(BIN)/dojo grade $${FROM:+--from "$$FROM"} $${DEVICE:+--device "$$DEVICE"} $${SEED:+--seed "$$SEED"} \
		$${SANDBOX:+--sandbox "$$SANDBOX"} $${SUITE:+--suite "$$SUITE"} $${AUDIENCE:+--audience "$$AUDIENCE"} \
		$${REPORT:+--report "$$REPORT"} -- "$$EX"

watch: $(READY) ## the verdict after each save, on the screen: make watch EX=3
	@$(BIN)/dojo watch $${DEVICE:+--device "$$DEVICE"} $${SANDBOX:+--sandbox "$$SANDBOX"} $${SUITE:+--suite "$$SUITE"} \
		$${POLL:+--poll} -- $${EX:+"$$EX"}

cohort: $(READY) ## grade a class: make cohort SUBMISSIONS=dir (EX=3, ONLY=student, FORCE=1, ROSTER=csv, JOBS=4)
	@$(BIN)/dojo cohort --ex "$${EX:-all}" $${ONLY:+--only "$$ONLY"} $${FORCE:+--force} $${ROSTER:+--roster "$$ROSTER"} \
		$${GRADEBOOK:+--gradebook "$$GRADEBOOK"} $${JOBS:+--jobs "$$JOBS"} $${SEED:+--seed "$$SEED"} \
		$${DEVICE:+--device "$$DEVICE"} $${SANDBOX:+--sandbox "$$SANDBOX"} $${SUITE:+--suite "$$SUITE"} -- "$$SUBMISSIONS"

gradebook: $(READY) ## what an instructor wants to know of the class
	@$(BIN)/dojo gradebook summary $${GRADEBOOK:+--gradebook "$$GRADEBOOK"}

regrade: $(READY) ## who changed between the last two suites: make regrade EX=3
	@$(BIN)/dojo regrade $${GRADEBOOK:+--gradebook "$$GRADEBOOK"} -- "$$EX"

similar: $(READY) ## alike pairs, side by side: make similar SUBMISSIONS=dir EX=3 (ROSTER=csv, ONLY=student, LEAST=0.6)
	@$(BIN)/dojo similar --ex "$${EX:-all}" $${ROSTER:+--roster "$$ROSTER"} $${ONLY:+--only "$$ONLY"} \
		$${LEAST:+--least "$$LEAST"} -- "$$SUBMISSIONS"

report: $(READY) ## a page with figures: make report EX=5 (OPEN=1 opens it)
	@$(BIN)/dojo report $${FROM:+--from "$$FROM"} $${OPEN:+--open} $${DEVICE:+--device "$$DEVICE"} \
		$${SANDBOX:+--sandbox "$$SANDBOX"} $${SUITE:+--suite "$$SUITE"} $${AUDIENCE:+--audience "$$AUDIENCE"} -- "$$EX"

diff: $(READY) ## what you changed: make diff EX=3 (SOLUTION=1 compares with that)
	@$(BIN)/dojo diff $${SOLUTION:+--solution} $${YES:+--yes} -- "$$EX"

reset: $(READY) ## the stub again; asks first, keeps what you wrote: make reset EX=3
	@$(BIN)/dojo reset $${YES:+--yes} -- "$$EX"

solution: $(READY) ## the solution, after full marks: make solution EX=3
	@$(BIN)/dojo solution $${YES:+--yes} -- "$$EX"

doctor: $(READY) ## is this machine fit to grade? what mends it
	@$(BIN)/dojo doctor

train: $(READY) ## train the final project
	@$(BIN)/python final_project/main.py train

evaluate: $(READY) ## evaluate what was trained
	@$(BIN)/python final_project/main.py evaluate model.pt

test: format lint types tests verify ## all checks, as in CI: format, lint, types, tests, contract

format: $(READY)
	@echo "== format"
	@$(BIN)/ruff format --check .

lint: $(READY)
	@echo "== lint"
	@$(BIN)/ruff check .

types: $(READY)
	@echo "== types"
	@$(BIN)/mypy

tests: $(READY) ## the grader's own tests
	@echo "== tests"
	@$(BIN)/python -m pytest -n auto --dist loadgroup

verify: $(READY) ## the contract: solutions, stubs, plants and mutants (EX=3 for one, WHOLE=1 for more)
	@echo "== contract"
	@$(BIN)/dojo verify $${SANDBOX:+--sandbox "$$SANDBOX"} $${WHOLE:+--whole} -- "$${EX:-all}"

new: $(READY) ## the skeleton of an exercise: make new EX=18 NAME=vae
	@$(BIN)/dojo new -- "$$EX" "$$NAME"

rerun: $(READY) ## a suite on right answers, 200 times with fresh seeds: make rerun EX=3
	@$(BIN)/dojo rerun $${TIMES:+--times "$$TIMES"} $${TRAINING:+--training "$$TRAINING"} $${FROM:+--from "$$FROM"} \
		$${DEVICE:+--device "$$DEVICE"} $${SANDBOX:+--sandbox "$$SANDBOX"} -- "$$EX"

calibrate: $(READY) ## accuracy thresholds from recorded training runs: make calibrate EX=7
	@$(BIN)/dojo calibrate $${RUNS:+--runs "$$RUNS"} $${PLANTS:+--plants "$$PLANTS"} $${DATA:+--data-dir "$$DATA"} \
		$${REPORT:+--report} $${DEVICE:+--device "$$DEVICE"} $${SANDBOX:+--sandbox "$$SANDBOX"} -- "$$EX"

stubs: $(READY) ## rewrite the stubs from the solutions
	@$(BIN)/dojo stubs

tamper: $(READY) ## every attack against exercises 1 to 3, as a table
	@$(BIN)/python -m tests.tampering

fuzz: $(READY) ## a million hostile frames; GUIDED=60: coverage-guided, for so many seconds (needs atheris)
	@$(BIN)/python tests/fuzz/fuzz_wire.py $${GUIDED:+--guided "$$GUIDED"}

faults: $(READY) ## faults of ours and of the machine: how each is taken, as a table
	@$(BIN)/python -m tests.faults

bench: $(READY) ## measure what users wait for, as ratios in one run (ONLY=cold,warm; ONLY=soak: 1,000 saves)
	@$(BIN)/python -m grader.bench $${ONLY:+--only "$$ONLY"} $${DATA:+--data-dir "$$DATA"}

data: $(READY) ## download the public data sets into ./data
	@$(BIN)/python -m grader.datasets data

lock: ## renew requirements.lock (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--group dev pyproject.toml -o requirements.lock

clean: ## remove .venv, reports and caches
	rm -rf $(VENV) reports build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
