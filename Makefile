# Every target sets up what it needs by itself, once: .venv from requirements.lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JUPYTER := $(VENV)/.jupyter
# In every process that we start: idle OpenMP threads sleep, for spinning ones slow two busy processes 30 times.
export OMP_WAIT_POLICY = PASSIVE
export EX FROM DEVICE SEED SANDBOX SUITE AUDIENCE REPORT DATA POLL TASK YES SOLUTION OPEN FRESH

.DEFAULT_GOAL := help
.PHONY: help setup start status list lesson read hint watch grade report diff reset solution update doctor train evaluate data clean

help: ## this list
	@echo "Torch Dojo: PyTorch exercises that are graded honestly."
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo "  EX=3 | final | all   FROM=solutions | path   DEVICE=auto | cpu | cuda"
	@echo "  SEED=number   SANDBOX=auto | require | off   AUDIENCE=student | instructor"

-include staff.mk

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

# Only for notebooks: nothing else asks for it, and so it is no part of the set-up above.
$(JUPYTER): $(READY) requirements-notebook.lock
	@echo "Setting up Jupyter in .venv, once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-notebook.lock \
		|| { echo "make: Jupyter can't be installed; 'make read EX=$$EX' shows the lesson in the terminal" >&2; exit 2; }
	@touch $@

lesson: $(JUPYTER) ## the lesson as a notebook, in Jupyter: make lesson EX=3 (OPEN=0, FRESH=1)
	@case "$$OPEN" in 0) no_open=--no-open;; esac; $(BIN)/dojo lesson $$no_open $${FRESH:+--fresh} -- "$$EX"

read: $(READY) ## the lesson in the terminal: make read EX=3
	@$(BIN)/dojo read -- "$$EX"

hint: $(READY) ## one more hint: make hint EX=3 (TASK=2 for a task)
	@$(BIN)/dojo hint $${TASK:+--task "$$TASK"} -- "$$EX"

watch: $(READY) ## the verdict after each save, on the screen: make watch EX=3
	@$(BIN)/dojo watch $${DEVICE:+--device "$$DEVICE"} $${SANDBOX:+--sandbox "$$SANDBOX"} $${SUITE:+--suite "$$SUITE"} \
		$${POLL:+--poll} -- $${EX:+"$$EX"}

grade: $(READY) ## grade an exercise: make grade EX=3
	@$(BIN)/dojo grade $${FROM:+--from "$$FROM"} $${DEVICE:+--device "$$DEVICE"} $${SEED:+--seed "$$SEED"} \
		$${SANDBOX:+--sandbox "$$SANDBOX"} $${SUITE:+--suite "$$SUITE"} $${AUDIENCE:+--audience "$$AUDIENCE"} \
		$${REPORT:+--report "$$REPORT"} -- "$$EX"

report: $(READY) ## a page with figures: make report EX=5 (OPEN=1 opens it)
	@$(BIN)/dojo report $${FROM:+--from "$$FROM"} $${OPEN:+--open} $${DEVICE:+--device "$$DEVICE"} \
		$${SANDBOX:+--sandbox "$$SANDBOX"} $${SUITE:+--suite "$$SUITE"} $${AUDIENCE:+--audience "$$AUDIENCE"} -- "$$EX"

diff: $(READY) ## what you changed: make diff EX=3 (SOLUTION=1 compares with that)
	@$(BIN)/dojo diff $${SOLUTION:+--solution} $${YES:+--yes} -- "$$EX"

reset: $(READY) ## the stub again; asks first, keeps what you wrote: make reset EX=3
	@$(BIN)/dojo reset $${YES:+--yes} -- "$$EX"

solution: $(READY) ## the solution, after full marks: make solution EX=3
	@$(BIN)/dojo solution $${YES:+--yes} -- "$$EX"

update: $(READY) ## a later version of the course, your work untouched: make update FROM=torch-dojo.zip
	@$(BIN)/dojo update -- "$$FROM"

doctor: $(READY) ## is this machine fit to grade? what mends it
	@$(BIN)/dojo doctor

train: $(READY) ## train the final project
	@$(BIN)/python final_project/main.py train

evaluate: $(READY) ## evaluate what was trained
	@$(BIN)/python final_project/main.py evaluate model.pt

data: $(READY) ## download the public data sets into ./data
	@$(BIN)/python -m grader.datasets data

clean: ## remove .venv, reports and caches
	rm -rf $(VENV) reports build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
