# Everything a fresh machine needs, from python3 (>= 3.11), make and the package registry.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VENV14 := .venv-sqlalchemy14
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install browser demo airflow test test-quick test-sqlalchemy14 lint bench clean

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv with everything the demo, the tests and the linters need

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.12 install")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Airflow and the provider into $(VENV) (about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[sandbox,postgres,mysql,smtp,xlsx]' --group dev
	@touch $@

browser: ## install Debian's chromium, for the browser's tests (as root); elsewhere any chromium in PATH will do
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }

demo: install ## buy the sample manifest from a local eSIM Go, through Airflow, and show what came out
	@$(BIN)/python scripts/demo.py

airflow: install ## the same in a real Airflow with its UI: prints the URL and the password
	@$(BIN)/python scripts/standalone.py

test: install ## all tests, on all cores (about ten minutes on two)
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-quick: install ## without the slow ones: no kills at random, no model, no airflow standalone
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile -m "not slow"

test-sqlalchemy14: $(VENV14)/.installed ## the ledger's unit tests on SQLAlchemy 1.4, without Airflow
	@PYTHONPATH=. $(VENV14)/bin/python -m pytest tests/unit/ledger

$(VENV14)/.installed: constraints-sqlalchemy14.txt
	@test -x $(VENV14)/bin/python || $(PYTHON) -m venv $(VENV14)
	@echo "Installing SQLAlchemy 1.4 into $(VENV14) ..."
	@$(VENV14)/bin/python -m pip install --quiet --disable-pip-version-check --requirement constraints-sqlalchemy14.txt
	@touch $@

bench: install ## what the ledger costs, as ratios in one run
	@$(BIN)/python -m benchmarks

lint: install ## ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

clean: ## remove the environment and all that the demo made
	rm -rf $(VENV) $(VENV14) .airflow build
