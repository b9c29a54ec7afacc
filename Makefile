# simworld: the five things one does with it.  `make hunt` first.
#
#   make hunt    find, shrink, tell and check the races of every scenario (one to two minutes)
#   make test    format, lint, types, tests; what the gate runs (some ten minutes)
#   make prove   the long proofs; may be stopped and goes on where it was
#   make bench   benchmarks, peers included; figures go to reports/ (an hour; on an idle machine)
#   make venv    only the virtual environment

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv hunt test prove bench

BIN := .venv/bin
STAMP := .venv/.installed
BENCH_STAMP := .venv/.installed-bench

# Tests and benchmarks start hundreds of Python processes: with bytecode on the disk each of them
# starts in half the time.
unexport PYTHONDONTWRITEBYTECODE

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

# Other engines to compare with; nothing else needs them.
$(BENCH_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --config-settings editable_mode=compat -e '.[dev,peers]'
	@touch $@

hunt: $(STAMP)
	$(BIN)/simworld hunt --jobs auto --variant v2_merge --variant fixed --expect --trials $(TRIALS)

test: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n logical -p no:benchmark --result-table=reports

prove: $(STAMP)
	$(BIN)/pytest -m prove -o addopts="-ra --strict-markers --strict-config -p no:cacheprovider --import-mode=importlib"

# Each program writes its own report and prints it.  How long each takes stands behind it.
bench: $(BENCH_STAMP)
	$(BIN)/python -m bench.micro                 # reports/micro.md: two minutes
	$(BIN)/python -m bench.report                # reports/first_light.md: a minute
	$(BIN)/python -m bench.engine                # reports/engine.md: half a minute
	$(BIN)/simworld bench --report reports       # reports/benchmarks.md: half an hour
	$(BIN)/python -m bench.streams               # reports/streams.md: two minutes
	$(BIN)/python -m bench.targets               # reports/targets.md: ten minutes
	$(BIN)/python -m bench.subject_speed --report reports/subject_speed.md       # a minute
	$(BIN)/python -m bench.subject_proofs --report reports/subjects_alone.md     # two minutes
	$(BIN)/python -m bench.subjects --jobs 2     # reports/subjects/: an hour; may be stopped and goes on
	$(BIN)/python -m bench.check_log             # reports/check_log.md: some minutes
	$(BIN)/python -m bench.jobs                  # reports/jobs.md: two minutes
	$(BIN)/python -m bench.worlds                # reports/worlds.md: a quarter of an hour
	$(BIN)/python -m bench.strip                 # reports/strip.md: only what is missing
