# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete

.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make the virtual environment with everything in it

$(STAMP): requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@

demo: setup ## Serve the sample shop and make a picture of its cart (ONCE=1: end after it)
	$(BIN)/python -m imagegenservice.demo $(if $(ONCE),--once)

run: setup ## Serve with the settings of the environment
	$(BIN)/python -m imagegenservice

test: setup ## Run the whole test suite
	$(BIN)/python -m pytest

crash: setup ## Kill and stop the service at every named point (ROUNDS=200, SEED=…, STORES=sqlite,firestore)
	PYTHONPATH=.:tests:tests/crash $(BIN)/python tests/crash/run.py --rounds $(or $(ROUNDS),200) $(if $(SEED),--seed $(SEED)) $(if $(STORES),--stores $(STORES))

overload: setup ## Order ten times more than can be drawn, for 30 seconds, and print the figures
	OVERLOAD_SECONDS=30 $(BIN)/python -m pytest -q -s tests/server/test_overload.py

bench: setup ## Measure speed and memory, as docs/speed.md tells (ONLY=status,upload: some rows)
	PYTHONPATH=.:tests $(BIN)/python -m benchmarks --only '$(ONLY)'

lint: setup ## Look for faults without running anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/python protos/generate.py --check
	PYTHONPATH=. $(BIN)/python docs/settings_table.py --check

type: setup ## Check the types
	$(BIN)/mypy

format: setup ## Lay the code out
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

proto: setup ## Generate imagegenservice/pb from protos/
	$(BIN)/python protos/generate.py

docs: setup ## Write README's table of settings anew
	PYTHONPATH=. $(BIN)/python docs/settings_table.py

lock: setup ## Compile requirements*.in, for Python 3.11 and newer
	$(BIN)/uv pip compile $(LOCK) requirements.in -o requirements.txt
	$(BIN)/uv pip compile $(LOCK) requirements-dev.in -o requirements-dev.txt

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $(if $(UPGRADE),--upgrade)

clean: ## Remove what was made
	rm -rf $(VENV) data build .mypy_cache .ruff_cache .pytest_cache demo-picture.*

.PHONY: help setup demo run test crash overload bench lint type format proto docs lock clean
