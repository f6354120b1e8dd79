# Everything is set up in .venv: only Python (3.11 or later, with venv) and make are needed.

PYTHON ?= python3
DEMO_OUT ?= demo_run
PYTEST_WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := requirements/constraints.txt

# From the environment they also reach the environment in which pip builds the package.
INSTALL := PIP_CONSTRAINT=$(CONSTRAINTS) PIP_BUILD_CONSTRAINT=$(CONSTRAINTS) PIP_DISABLE_PIP_VERSION_CHECK=1 \
	$(BIN)/python -m pip install --quiet --progress-bar off
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm --silent

FRONT_END := $(shell find js -type f -not -path '*/built/*' 2>/dev/null) $(wildcard package.json package-lock.json tsconfig.json)
BUILT_FROM := pyproject.toml hatch_build.py $(CONSTRAINTS) $(FRONT_END) $(wildcard notebooks/*.ipynb)

.PHONY: demo lab docs test lint types front-end browser constraints clean help

help:
	@echo "make demo   set up .venv, refine the packaged sample, write $(DEMO_OUT)/final/report.html"
	@echo "make lab    open the workbench in JupyterLab, the tutorials beside it"
	@echo "make docs   build the documentation: site/index.html"
	@echo "make test   lint, type checks, tests, notebooks, browser tests"
	@echo "make clean  remove .venv, built files and caches"

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "locref_widgets needs Python 3.11 or later; choose one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created $(BUILT_FROM)
	@echo "Setting up $(VENV): about 1 GB, some minutes the first time."
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.created $(BUILT_FROM)
	@echo "Setting up $(VENV) with the tests' tools: some minutes the first time."
	$(INSTALL) --editable '.[test,nglview]'
	touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/locref demo --out $(DEMO_OUT)
	@echo "Report: $(CURDIR)/$(DEMO_OUT)/final/report.html"

lab: $(VENV)/.installed
	$(BIN)/locref lab

docs: $(VENV)/.installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "Documentation: $(CURDIR)/site/index.html"

test: lint types front-end
	$(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder -m "not gpu" --durations=15 \
		--nbmake --nbmake-timeout=600 --ignore=tests/browser tests notebooks
	$(MAKE) browser

# Apart from the others: Playwright keeps an event loop running in the process, notebooks start their own.
browser: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q -m "not gpu" tests/browser

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/pyright

front-end: $(VENV)/.installed-test
	test -d node_modules || $(NPM) ci
	$(NPM) run check
	$(NPM) test

# Newest versions that go together, to be tried by `make clean test` and then committed.
constraints:
	rm -rf .cache/constraints
	$(PYTHON) -m venv .cache/constraints
	.cache/constraints/bin/python -m pip install --quiet --progress-bar off hatchling editables '.[test,nglview]'
	{ head -n 1 $(CONSTRAINTS); .cache/constraints/bin/python -m pip freeze --exclude locref_widgets | LC_ALL=C sort -f; } > .cache/constraints.txt
	mv .cache/constraints.txt $(CONSTRAINTS)
	rm -rf .cache/constraints

clean:
	rm -rf $(VENV) .cache site .pytest_cache .ruff_cache .hypothesis node_modules js/test/built js/built locref_widgets/widgets/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
