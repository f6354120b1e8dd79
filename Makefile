# Everything is set up in .venv: only Python (3.11 or later, with venv) and make are needed.

PYTHON ?= python3
DEMO_OUT ?= demo_run
PYTEST_WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
CONSTRAINTS := requirements/constraints.txt

# Pip's own build environments read their constraints from the environment alone.
export PIP_DISABLE_PIP_VERSION_CHECK := 1

FRONT_END := $(shell find js -type f 2>/dev/null) $(wildcard package.json package-lock.json tsconfig.json)
BUILT_FROM := pyproject.toml hatch_build.py $(CONSTRAINTS) $(FRONT_END)

.PHONY: demo lab test lint types browser clean help

help:
	@echo "make demo   set up .venv, refine the packaged sample, write $(DEMO_OUT)/final/report.html"
	@echo "make lab    open the first notebook in JupyterLab"
	@echo "make test   lint, type checks, tests, notebooks, browser tests"
	@echo "make clean  remove .venv, built files and caches"

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "locref_widgets needs Python 3.11 or later; choose one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created $(BUILT_FROM)
	@echo "Setting up $(VENV): about 1 GB, some minutes the first time."
	$(PIP) install --quiet --progress-bar off --constraint $(CONSTRAINTS) --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.created $(BUILT_FROM)
	@echo "Setting up $(VENV) with the tests' tools: some minutes the first time."
	$(PIP) install --quiet --progress-bar off --constraint $(CONSTRAINTS) --editable '.[test,nglview]'
	touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/locref demo --out $(DEMO_OUT)
	@echo "Report: $(CURDIR)/$(DEMO_OUT)/final/report.html"

lab: $(VENV)/.installed
	$(BIN)/locref lab

test: lint types
	$(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) --dist loadfile -m "not gpu" --durations=15 \
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
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm run --silent check

clean:
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache .hypothesis node_modules locref_widgets/widgets/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
