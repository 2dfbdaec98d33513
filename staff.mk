# What students do not get: grading a class, writing exercises, and checking the project itself.
TOOLS := $(VENV)/.tools
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
export NAME GUIDED WHOLE TIMES TRAINING RUNS PLANTS ONLY SUBMISSIONS FORCE ROSTER GRADEBOOK JOBS ENGINE ADDRESS OUT LEAST COHORT
.PHONY: cohort similar gradebook regrade student verify new rerun calibrate stubs test format lint types tests tamper fuzz faults site dist bench lock

# What checks the project itself, and nobody needs who only uses it.
$(TOOLS): $(READY) requirements-dev.lock
	@echo "Setting up what the checks need, once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

cohort: $(READY) ## grade a class: make cohort SUBMISSIONS=dir (EX=3, ONLY=student, FORCE=1, ROSTER=csv, JOBS=4, ENGINE=ray)
	@$(BIN)/dojo cohort --ex "$${EX:-all}" $${ONLY:+--only "$$ONLY"} $${FORCE:+--force} $${ROSTER:+--roster "$$ROSTER"} \
		$${GRADEBOOK:+--gradebook "$$GRADEBOOK"} $${JOBS:+--jobs "$$JOBS"} $${SEED:+--seed "$$SEED"} $${COHORT:+--cohort "$$COHORT"} \
		$${ENGINE:+--engine "$$ENGINE"} $${ADDRESS:+--address "$$ADDRESS"} $${DEVICE:+--device "$$DEVICE"} $${SANDBOX:+--sandbox "$$SANDBOX"} $${SUITE:+--suite "$$SUITE"} -- "$$SUBMISSIONS"

gradebook: $(READY) ## what an instructor wants to know of the class
	@$(BIN)/dojo gradebook summary $${GRADEBOOK:+--gradebook "$$GRADEBOOK"}

similar: $(TOOLS) ## alike pairs, side by side: make similar SUBMISSIONS=dir EX=3 (ROSTER=csv, ONLY=student, LEAST=0.6)
	@$(BIN)/dojo similar --ex "$${EX:-all}" $${ROSTER:+--roster "$$ROSTER"} $${ONLY:+--only "$$ONLY"} \
		$${LEAST:+--least "$$LEAST"} -- "$$SUBMISSIONS"

regrade: $(READY) ## who changed between the last two suites: make regrade EX=3
	@$(BIN)/dojo regrade $${GRADEBOOK:+--gradebook "$$GRADEBOOK"} -- "$$EX"

student: $(READY) ## the course as students get it: make student OUT=dir
	@$(BIN)/dojo student -- "$$OUT"

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

test: format lint types tests verify ## all checks, as in CI: format, lint, types, tests, contract

format: $(TOOLS)
	@echo "== format"
	@$(BIN)/ruff format --check .

lint: $(TOOLS)
	@echo "== lint"
	@$(BIN)/ruff check .

types: $(TOOLS)
	@echo "== types"
	@$(BIN)/mypy

tests: $(TOOLS) ## the grader's own tests
	@echo "== tests"
	@$(BIN)/python -m pytest -n auto --dist loadgroup

tamper: $(TOOLS) ## every attack against exercises 1 to 3, as a table
	@$(BIN)/python -m tests.tampering

fuzz: $(TOOLS) ## a million hostile frames; GUIDED=60: coverage-guided, for so many seconds (needs atheris)
	@$(BIN)/python tests/fuzz/fuzz_wire.py $${GUIDED:+--guided "$$GUIDED"}

faults: $(TOOLS) ## faults of ours and of the machine: how each is taken, as a table
	@$(BIN)/python -m tests.faults

site: $(TOOLS) ## the documents as pages, in build/site
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/site
	@echo "build/site/index.html"

dist: $(TOOLS) ## wheel and source distribution, in build/dist, with the students' course inside
	@rm -rf build/dist build/handout build/lib grader/handout/course.zip
	@$(BIN)/dojo student build/handout >/dev/null
	@cp build/handout/torch-dojo.zip grader/handout/course.zip
	@$(BIN)/python -m build --no-isolation --outdir build/dist . >build/dist.log 2>&1 || { tail -5 build/dist.log; rm -f grader/handout/course.zip; exit 1; }
	@rm -f grader/handout/course.zip
	@ls build/dist

bench: $(READY) ## measure what users wait for (ONLY=cold,warm; ONLY=cohort,growth; ONLY=container EX=3)
	@$(BIN)/python -m grader.bench $${ONLY:+--only "$$ONLY"} $${EX:+--exercises "$$EX"} $${DATA:+--data-dir "$$DATA"}

lock: ## renew requirements.lock and those of the notebooks and the checks (needs uv)
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) --constraint requirements.lock --extra notebook pyproject.toml -o requirements-notebook.lock
	$(LOCK) --constraint requirements-notebook.lock --group dev pyproject.toml -o requirements-dev.lock
