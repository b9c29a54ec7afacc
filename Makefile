# simworld: the five things one does with it.  `make hunt` first.
#
#   make hunt    find, shrink, tell and check the races of every scenario (one to two minutes)
#   make test    format, lint, types, tests; what the gate runs (some thirteen minutes)
#   make prove   the long proofs; may be stopped and goes on where it was
#   make bench   benchmarks; figures go to reports/
#   make venv    only the virtual environment

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv hunt test prove bench

BIN := .venv/bin
STAMP := .venv/.installed

# Trials per scenario and variant of `make hunt`; more takes longer and proves more.
TRIALS ?= 2000

help:
	@sed -n 's/^#   //p' Makefile

venv: $(STAMP)

# PYTHON may name an interpreter; otherwise the first one that is new enough is taken.  The package
# is installed as a plain path (compat), which type checkers follow, too.
$(STAMP): pyproject.toml
	@found=""; \
	for each in $${PYTHON:-python3 python3.13 python3.12 python3.11}; do \
	  if "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    found="$$each"; break; \
	  fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "simworld needs Python 3.11 or newer and found none;" \
	    "name one with: make PYTHON=/path/to/python3.11 venv" >&2; \
	  exit 1; \
	fi; \
	"$$found" -m venv .venv
	$(BIN)/python -m pip install --quiet --config-settings editable_mode=compat -e '.[dev]'
	@touch $@

hunt: $(STAMP)
	$(BIN)/simworld hunt --jobs auto --variant v2_merge --variant fixed --expect --trials $(TRIALS)

test: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest

prove: $(STAMP)
	$(BIN)/pytest -m prove -o addopts="-ra --strict-markers --strict-config -p no:cacheprovider --import-mode=importlib"

bench: $(STAMP)
	$(BIN)/pytest bench --benchmark-only
	$(BIN)/python -m bench.report
	$(BIN)/python -m bench.engine
	$(BIN)/python -m bench.worlds
	$(BIN)/python -m bench.check_log
	$(BIN)/python -m bench.jobs
	$(BIN)/python -m bench.strip
