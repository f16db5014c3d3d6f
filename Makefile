# One word per command; `make help` lists them. Every command sets up what it needs, once.
#
#   make test ARGS="-k retry"             arguments for the command behind the word
#   make test PYTHON=python3.13 VENV=.venv313
#   make test VENV="$VIRTUAL_ENV"         an environment of your own: asynchttp is installed into it

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
.DELETE_ON_ERROR:
# The programs that the tests and benchmarks start would each compile the package anew, which is most of what they cost.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV ?= .venv
ARGS ?=

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
# Stamps live in the environment, so they vanish with it.
RUN_STAMP := $(VENV)/.asynchttp-run
DEV_STAMP := $(VENV)/.asynchttp-dev
BENCH_STAMP := $(VENV)/.asynchttp-bench

.PHONY: help setup demo tour test lanes lint types cover docs bench soak format clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(DEV_STAMP)  ## an environment in .venv with everything below

demo: $(RUN_STAMP)  ## 10 000 URLs against servers that misbehave, on this machine
	$(PY) -m examples.demo $(ARGS)

tour: $(RUN_STAMP)  ## exchanges that last, a few lines each: events, a WebSocket, an operation, pages, a download
	$(PY) -m examples.tour $(ARGS)

test: $(DEV_STAMP)  ## the tests
	$(PY) -m pytest $(ARGS)

lanes: $(DEV_STAMP)  ## the transports over the lowest aiohttp, its pure Python, and (advice only) its next pre-release
	.ci/lanes $(PY)

lint: $(DEV_STAMP)  ## style, format, and which module may import which
	$(PY) -m ruff check $(ARGS) .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports --no-logo

types: $(DEV_STAMP)  ## mypy, strict
	$(PY) -m mypy $(ARGS)

# A part is measured by its path, --cov=asynchttp/transports: for a dotted name coverage imports its parent, and so aiohttp, and
# forgets it again; the second aiohttp has other exceptions than its C parser raises, and tests of foreign errors fail.
cover: $(DEV_STAMP)  ## branch coverage: 100 % of values and policy, 95 % of the rest
	$(PY) -m pytest --cov --cov-report= $(ARGS)
	$(PY) -m coverage report --fail-under=100 --include='asynchttp/values/*,asynchttp/policy/*'
	$(PY) -m coverage report --fail-under=95 --omit='asynchttp/values/*,asynchttp/policy/*'

docs: $(DEV_STAMP)  ## the documentation, in site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet --site-dir site $(ARGS)
	@echo 'The documentation is in site/index.html'

bench: $(BENCH_STAMP)  ## the benchmarks behind the numbers in README.md: under 20 minutes, two with ARGS=--quick
	$(PY) -m benchmarks $(ARGS)

soak: $(DEV_STAMP)  ## the heavy tests: soak, fuzz, full torture
	$(PY) -m pytest -m soak --timeout 1800 -o faulthandler_timeout=3600 $(ARGS)

format: $(DEV_STAMP)  ## rewrite the code in the house format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean:  ## remove what the commands above made, the environment too
	rm -rf $(VENV) site build dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The demo and the command line need no more than this: half a minute on a fresh machine.
$(RUN_STAMP): pyproject.toml | $(PY)
	@echo 'Setting up $(VENV) to run asynchttp (once) ...'
	@$(PIP) install --editable '.[cli,speed]'
	@touch $@

$(DEV_STAMP): pyproject.toml | $(PY)
	@echo 'Setting up $(VENV) to work on asynchttp (once, a minute or so) ...'
	@$(PIP) install --editable '.[cli,speed,dev]'
	@touch $(RUN_STAMP) $@

# Where one of the peers has no package for this machine none of them is installed, and the tables are made without them.
$(BENCH_STAMP): $(DEV_STAMP)
	@$(PIP) install --only-binary pyreqwest,wreq --editable '.[bench]' || echo 'The peers cannot be installed here and are left out.'
	@touch $@

# Debian's python3 comes without ensurepip unless python3-venv is installed: there the system's pip fills the environment.
$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "asynchttp needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not a Python)." >&2; \
	  echo 'Name another one: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  $(PYTHON) -m venv $(VENV); \
	else \
	  $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --disable-pip-version-check --quiet --python $(PY) install pip; \
	fi || { rm -rf $(VENV); echo 'No environment could be made. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
