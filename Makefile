# The verbs of the project; `make help` lists them. The first verb makes its own environment from uv.lock.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/uv/bin/uv
BIN := .venv/bin
export UV_PROJECT_ENVIRONMENT := .venv
# where bytecode is not written, each of the many Python processes compiles Dagster anew: 5 s to load it instead of 2
unexport PYTHONDONTWRITEBYTECODE

# DATA = folder with feeds, or `online` (default: the bundled sample); DAY, or FROM and TO = which days
DATA ?=
DAY ?=
FROM ?=
TO ?=
WORKSPACE := $(if $(DATA),--data "$(DATA)")
DAYS := $(if $(DAY),--day "$(DAY)") $(if $(FROM),--from "$(FROM)") $(if $(TO),--to "$(TO)")

# a test process a core, four at most: each loads Dagster and may start a PostgreSQL of its own; whole files, in the
# order that tests/conftest.py says
PYTEST := $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
ARGS ?=

.PHONY: help
help: ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "Python 3.11, 3.12 or 3.13 is needed; name one: make run PYTHON=python3.12"; exit 2; }
	@echo "installing uv $(UV_VERSION) into .tools"
	@$(PYTHON) -m venv .tools/uv && .tools/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# one stamp a set of packages; a newer lock or pyproject installs again
.venv/.run: $(UV) pyproject.toml uv.lock
	@echo "installing what a run needs into .venv"
	@$(UV) sync --quiet --frozen --inexact --python $(PYTHON)
	@echo "reading the warehouse's models, once"
	@$(BIN)/python -c 'from intelsec_assets.kpis.warehouse.project import load_project; load_project()' && touch $@

.venv/.dev: $(UV) pyproject.toml uv.lock
	@echo "installing what tests need into .venv"
	@$(UV) sync --quiet --frozen --inexact --python $(PYTHON) --group dev --extra postgres --extra siem --extra s3 && touch $@ .venv/.run

.venv/.bench: .venv/.dev
	@echo "installing the peers of the benchmarks into .venv"
	@$(UV) sync --quiet --frozen --inexact --python $(PYTHON) --group dev --group bench --extra postgres --extra siem --extra s3 && touch $@

.PHONY: run
run: .venv/.run ## the main job on the bundled sample; DATA=folder DAY=… or FROM=… TO=… for others
	@$(BIN)/intelsec run $(WORKSPACE) $(DAYS)

.PHONY: dev
dev: .venv/.run ## the Dagster UI on http://localhost:3000 over the same data (DATA=folder for others)
	@$(BIN)/intelsec dev $(WORKSPACE)

.PHONY: test
test: .venv/.dev ## the tests (5 to 8 minutes), ending with the real parts used and missing; ARGS="-k lake" for some
	@$(PYTEST) $(ARGS)

.PHONY: test-all
test-all: .venv/.dev ## the tests with the long ones: browser, faults, large inputs
	@INTELSEC_TEST_ALL=1 $(PYTEST) $(ARGS)

.PHONY: bench
bench: .venv/.bench ## measure the performance bars beside the peers; writes benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks

.PHONY: models
models: .venv/.dev ## the warehouse's models alone: their unit tests, increments against full builds, PostgreSQL against DuckDB
	@$(PYTEST) tests/integration/test_dbt_models.py tests/integration/test_dbt_portable.py $(ARGS)

.PHONY: rules
rules: .venv/.dev ## the detection rules: lint, samples, and whether the queries compiled for SIEMs are current
	@$(BIN)/intelsec rules lint && $(BIN)/intelsec rules test && $(BIN)/intelsec rules compile --check

.PHONY: lint
lint: .venv/.dev ## ruff, mypy, the Dagster definitions and the rules' lint
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/dagster definitions validate -w workspace.yaml && $(BIN)/intelsec rules lint

.PHONY: hooks
hooks: .venv/.dev ## check each commit as `make lint` does (pre-commit)
	@$(BIN)/pre-commit install

.PHONY: doctor
doctor: .venv/.run ## what is installed, configured and reachable, and what to do about the rest
	@$(BIN)/intelsec doctor $(WORKSPACE)

.PHONY: clean
clean: ## remove what runs made (.intelsec), not the environment
	@rm -rf .intelsec
