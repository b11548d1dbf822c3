# Every target creates .venv and installs into it when pyproject.toml or constraints.txt changed.
# Another interpreter: make test PYTHON=/path/to/python3.12. Other extras: make EXTRAS=gpu,dev test
SHELL := bash
EXTRAS ?= cpu,dev
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One thread a process: results do not depend on the machine, and tests run two at a time.
TEST := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m pytest -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help install quickstart test test-fast lint types docs format

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## create .venv and install conlst into it, if anything changed

quickstart: $(READY) ## install, then the whole path on embedded data; result in runs/quickstart
	$(BIN)/conlst run quickstart --out runs/quickstart

test: lint types ## lint, types and every test (those for a GPU apart)
	$(TEST) -m "not gpu"

test-fast: $(READY) ## the tests that take seconds
	$(TEST)

lint: $(READY) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy --strict on conlst/
	$(BIN)/mypy

docs: $(READY) ## write docs/parts.md and docs/methods.md from the parts and the recipes
	$(BIN)/python -m tests.parts_table
	$(BIN)/python -m tests.methods_table

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): pyproject.toml constraints.txt
	@set -euo pipefail; \
	usable() { "$$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
	if [ ! -x $(BIN)/python ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  found=; \
	  for python in $(or $(PYTHON),python3.11 python3.12 python3.13 python3); do \
	    if usable "$$python"; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "conlst needs Python 3.11 or newer with its venv module; tried: $(or $(PYTHON),python3.11 python3.12 python3.13 python3)." >&2; \
	    echo "Install one (on Debian: python3 and python3-venv), or say where it is: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  "$$found" -m venv $(VENV); \
	fi; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'; \
	touch $@
