# Set-up and the commands of a developer. `make run` and `make test` need nothing but Python 3.11, make, node and npm.
#
# Stamps in .venv say what was done, so that a second run costs next to nothing. uv does pip's work where it is
# installed; both read the same lock files and check the same hashes.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
UV := $(shell command -v uv 2>/dev/null)
ARGS ?=
LIBRARIES := ably matrix

ifdef UV
INSTALL = VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet
else
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

# Many tests wait for real time to pass, so there is one worker more than cores. What takes longest comes first.
WORKERS := $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n + 1 : 4)))

# Tests start hundreds of servers: what they import is compiled once, whatever the environment says.
COMPILING := env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(abspath $(VENV))/pycache

# The pages' types are made from the description of the API, which the code writes.
API := static/openapi.json
API_SOURCES := $(shell find web owncast_py -name '*.py' 2>/dev/null)
MADE := $(API) static/src/api/schema.d.ts
PAGE_SOURCES := $(filter-out $(MADE),$(shell find static -name node_modules -prune -o -name dist -prune -o -type f -print 2>/dev/null))
PAGES := $(if $(wildcard static/package.json),static/dist/index.html)

.PHONY: help run setup test check bench screenshots lock clean

help:
	@echo 'make run    set up and start the server (ARGS="--http-port 9000" passes options)'
	@echo 'make test   set up and run every test (ARGS="-k rtmp" passes options to pytest)'
	@echo 'make setup  set up only; the command is then .venv/bin/owncast-py'
	@echo 'make check  formatting, lint, types, import rules'
	@echo 'make bench  the benchmarks'
	@echo 'make screenshots  pictures of every page, into docs/images'
	@echo 'make lock   write the lock files anew (needs uv)'
	@echo 'make clean  remove everything that was made, except the data directory'

run: setup
	@exec $(BIN)/owncast-py serve $(ARGS)

setup: $(STAMPS)/package $(PAGES)

test: setup $(STAMPS)/dev $(LIBRARIES:%=$(STAMPS)/%) $(STAMPS)/swift
	@tests/install-tools.sh
	$(if $(PAGES),cd static && npm run --silent test)
	$(COMPILING) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(STAMPS)/package $(STAMPS)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup $(STAMPS)/dev
	@bench/install-tools.sh
	$(BIN)/python bench/run.py $(ARGS)

screenshots: setup $(STAMPS)/dev
	@tests/install-tools.sh
	$(BIN)/python docs/screenshots.py

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "owncast-py needs Python 3.11 or later, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	  echo 'Install one, or name it: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }
	@mkdir -p $(@D) && touch $@

$(STAMPS)/lock: requirements.lock | $(STAMPS)/venv
	$(INSTALL) --require-hashes -r requirements.lock
	@touch $@

$(STAMPS)/package: pyproject.toml $(STAMPS)/lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/dev: requirements-dev.lock $(STAMPS)/lock
	$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

# Other projects' libraries, which the tests drive: each set apart from ours, for they need other versions of what we need.
$(LIBRARIES:%=$(STAMPS)/%): $(STAMPS)/%: tests/e2e/%_python/requirements.lock tests/e2e/%_js/package-lock.json | $(STAMPS)/venv
	@$(PYTHON) -m venv $(STAMPS)/$*-python
	$(STAMPS)/$*-python/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	cd tests/e2e/$*_js && npm ci --no-audit --no-fund --silent
	@touch $@

# The S3 server of the tests.
$(STAMPS)/swift: tests/e2e/swift_python/requirements.lock | $(STAMPS)/venv
	@$(PYTHON) -m venv $(STAMPS)/swift-python
	$(STAMPS)/swift-python/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Written only when it says something else, so that the pages are not built anew for nothing.
$(STAMPS)/api: $(API_SOURCES) $(STAMPS)/package
	@$(BIN)/owncast-py openapi > $(API).new
	@if cmp -s $(API).new $(API); then rm $(API).new; else mv $(API).new $(API); fi
	@touch $@

$(API): $(STAMPS)/api
	@test -e $@ || { rm $<; $(MAKE) --no-print-directory $<; }

# Vite writes index.html last and every time, so it is as old as the whole build.
ifneq ($(PAGES),)
$(PAGES): $(PAGE_SOURCES) $(API)
	@command -v npm >/dev/null || { echo 'The pages need node and npm: install them, then run make again.' >&2; exit 1; }
	cd static && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund; }
	cd static && npm run --silent build
	@touch $@
endif

UV_COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate

lock:
	@test -n '$(UV)' || { echo 'make lock needs uv on the PATH: pip install uv' >&2; exit 1; }
	$(UV_COMPILE) --group build pyproject.toml -o requirements.lock
	$(UV_COMPILE) --group dev pyproject.toml -o requirements-dev.lock
	for each in $(LIBRARIES) swift; do \
	  $(UV_COMPILE) tests/e2e/$${each}_python/requirements.in -o tests/e2e/$${each}_python/requirements.lock; done

clean:
	rm -rf $(VENV) static/node_modules static/dist $(MADE) bench/results .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
