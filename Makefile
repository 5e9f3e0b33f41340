# One vocabulary for people and CI. Needs git, make and Python 3.11 to 3.13; the first call of a target makes .venv and installs
# what is pinned in requirements*.txt, with whatever index pip is set up to use.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

# The Python that .venv is made with: the first of these that is new enough and not too new. `make PYTHON=/opt/python/bin/python3` names one.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3.11 python3.13 python3.12 python3 python)
VENV := .venv/bin
PY := $(VENV)/python

# Further arguments for what a target runs: make test ARGS="-k ledger -x", make chaos ARGS="--seed 3".
ARGS ?=

# How many tests run side by side: two for each processor, since many wait for servers half of their time.
# `make test WORKERS=0` runs them one by one, for a debugger.
WORKERS ?= $(shell expr 2 '*' "$$(nproc 2>/dev/null || echo 1)")
PYTEST := $(PY) -m pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist loadscope

# A shell that keeps no compiled modules would have each of the hundreds of programs that the tests start compile all again.
unexport PYTHONDONTWRITEBYTECODE

RUNS := .venv/.runs
DEVELOPS := .venv/.develops

.PHONY: help demo ui test test-all test-ui chromium mutants check format hooks chaos bench deploy install lock clean

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "  make %-9s %s\n", $$1, $$2 }'

demo: $(RUNS) ## call the overdue customers of a sandbox, and see how it went (ARGS=--fresh: once more)
	@$(PY) -m examples.demo $(ARGS)

ui: $(RUNS) ## serve Prefect's UI over what the demo left
	@$(PY) -m examples.demo ui $(ARGS)

test: $(DEVELOPS) ## run the tests, every promise through the real thing: servers that they start themselves (some eight minutes on two processors)
	@$(PYTEST) -m "not thorough and not ui" $(ARGS)

test-all: $(DEVELOPS) chromium ## run all tests: every variant, large budgets, the browser (twice as long)
	@HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-all} $(PYTEST) $(ARGS)

test-ui: $(DEVELOPS) chromium ## run the tests that use a browser
	@$(PYTEST) -m ui $(ARGS)

# What is mutated, as a module or a package, and how long that may take; a later call goes on where this one ended.
MODULE ?= campaign hamsa webhooks
MINUTES ?= 60
mutants: $(DEVELOPS) ## plant small faults one by one and list those that no test notices (MODULE=campaign.dialing.lines)
	@timeout --signal=INT $(MINUTES)m $(VENV)/mutmut run $(MODULE:%='%*') $(ARGS) >mutants.log 2>&1 || tail -n 3 mutants.log
	@$(VENV)/mutmut results | sed -n 's/^ *\(.*\): survived$$/\1/p' | grep -E '^($(subst $() $(),|,$(strip $(MODULE))))' | \
	  while read -r name; do $(VENV)/mutmut show "$$name"; done

chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium (once) ..."; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	  else \
	    echo "This needs Chromium. On Debian: sudo apt-get install chromium" >&2; exit 1; \
	  fi; }

check: $(DEVELOPS) ## check style, types, layers and dependencies
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports --no-logo
	@$(VENV)/deptry .

format: $(DEVELOPS) ## put the code into the project's format
	@$(VENV)/ruff check --fix .
	@$(VENV)/ruff format .

hooks: $(DEVELOPS) ## have git run what make check runs before each commit
	@$(PY) -m pre_commit install

chaos: $(DEVELOPS) ## kill campaigns at random, while Hamsa lies and while it does not, and count double rings
	@$(PY) -m tests.chaos $(ARGS)

bench: $(DEVELOPS) ## measure speed, cost and memory beside what one would write by hand
	@$(PY) -m benchmarks $(ARGS)

# The pool of prefect.yaml is made when it is not there; blocks and deployments are brought up to date, so it may be
# called again.
POOL := hamsa-calls
deploy: $(RUNS) ## make the deployments of prefect.yaml on the Prefect server in use
	@$(PY) -m automations.deploy $(POOL) $(ARGS)

install: $(DEVELOPS) ## make .venv with all that running, testing and checking need

lock: $(DEVELOPS) ## pin requirements*.in again, keeping what still fits (needs uv; UPGRADE=--upgrade for the newest)
	@uv=$$(command -v uv || echo $(VENV)/uv); \
	"$$uv" --version >/dev/null 2>&1 || { echo "make lock needs uv: $(PY) -m pip install uv" >&2; exit 1; }; \
	for name in requirements requirements-dev; do \
	  "$$uv" pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --generate-hashes \
	    --annotation-style line $(UPGRADE) -o $$name.txt $$name.in || exit 1; \
	done

clean: ## remove .venv and everything else that was made here
	@rm -rf .venv .demo .chaos .bench mutants mutants.log build dist *.egg-info .*_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp says that all of a requirements file is in .venv, so that the next call has nothing to do.
$(DEVELOPS): requirements-dev.txt $(RUNS)
	@echo "Installing what tests and checks need (once, a minute or so) ..."
	@$(PY) -m pip install --quiet --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# The project itself is installed too, as a path to this folder, so that Prefect finds its blocks by the entry point.
$(RUNS): requirements.txt pyproject.toml $(PY)
	@echo "Installing what is pinned in requirements.txt (once, a minute or so) ..."
	@$(PY) -m pip install --quiet --quiet --disable-pip-version-check -r requirements.txt
	@$(PY) -m pip install --quiet --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(PY):
	@for python in $(PYTHONS); do \
	  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 || continue; \
	  echo "Making .venv with $$("$$python" --version) ..."; \
	  "$$python" -m venv .venv && exit 0; \
	  rm -rf .venv; \
	  echo "$$python could not make .venv. On Debian and Ubuntu the package python3-venv may be missing." >&2; \
	  exit 1; \
	done; \
	echo "This needs Python 3.11, 3.12 or 3.13, and none of these is: $(PYTHONS)." >&2; \
	echo "Install one, or say where it is: make PYTHON=/path/to/python3" >&2; \
	exit 1
