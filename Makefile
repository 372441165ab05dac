# Two commands on a fresh machine: `make serve` runs the server, `make test` tests it.
# Every step leaves a stamp in .venv and is skipped while what it depends on has not changed.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMPS := $(VENV)/stamps
NODE_TESTS := tests/node/node_modules/.package-lock.json
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --no-config --python $(BIN)/python --require-hashes
DEMO ?= kana-demo.db
DEMO_PORT ?= 8081
# Two workers more than the two processors that this is meant for: tests wait for servers, browsers and disks.
PYTEST_ARGS ?= -n 4 --dist loadgroup
TESTS ?=

export UV_LINK_MODE ?= copy
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install static wheel serve demo test test-deep coverage test-setup check format openapi bench screenshots clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(STAMPS)/install $(STAMPS)/static ## Create .venv with .venv/bin/kana
	@:

static: $(STAMPS)/static ## Bring the dashboard's style sheets and scripts
	@:

wheel: install ## Build the wheel into dist/, the dashboard's files in it
	@$(BIN)/uv build --quiet --no-config --offline --no-build-isolation --python $(BIN)/python --wheel --out-dir dist .

serve: install ## Run the server on its embedded default (http://127.0.0.1:8080)
	@exec $(BIN)/kana serve

demo: $(DEMO) ## Serve a year of an invented product to look around in (http://127.0.0.1:8081)
	@exec $(BIN)/kana serve --port $(DEMO_PORT) --database-url sqlite:///$(DEMO)

# Beside the database of `make serve`, so that neither fills the other; one that was interrupted is made anew.
$(DEMO): | install
	@rm -f $@-wal $@-shm
	@$(BIN)/kana demo --database-url sqlite:///$@

test: test-setup ## Install what tests need and run them (TESTS='tests/model -k period' for some)
	@test -n "$(TESTS)" || scripts/core-coverage -q $(PYTEST_ARGS)
	@$(BIN)/python -m pytest $(PYTEST_ARGS) $(or $(TESTS),-m 'not quiet' --ignore=tests/model --ignore=tests/engine)

test-deep: test-setup ## Run the tests that compare times, one after the other, on a machine that does nothing else, and many more random histories
	@$(BIN)/python -m pytest -m quiet tests
	@KANA_TEST_HISTORIES=10000 $(BIN)/python -m pytest tests/engine/usage/test_explaining_histories.py
	@KANA_TEST_DEEP=1 $(BIN)/python -m pytest $(PYTEST_ARGS) tests/reliability/test_state_machine.py tests/model/test_calendar.py

coverage: test-setup ## Prove that the tests of the core take every branch of it
	@scripts/core-coverage $(PYTEST_ARGS)

test-setup: $(STAMPS)/dev $(STAMPS)/static $(NODE_TESTS) $(STAMPS)/postgres $(STAMPS)/programs

check: $(STAMPS)/dev ## Format, lint, types, import contracts and clients of /v1; changes nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy src tests
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.support.breaking

format: $(STAMPS)/dev ## Format, and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

openapi: $(STAMPS)/install ## Write docs/openapi.json, the description of /v1, as the code has it
	@$(BIN)/python scripts/write-openapi

bench: test-setup $(STAMPS)/bench ## Measure everything that the documentation quotes
	@$(BIN)/python -m benchmarks

screenshots: test-setup ## Take the pictures of the dashboard that the documentation shows
	@$(BIN)/python scripts/screenshots

clean: ## Remove what building and testing left; keeps .venv and databases
	@rm -rf dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up -----------------------------------------------------------------

$(STAMPS)/venv: requirements/uv.txt scripts/create-venv
	@scripts/create-venv $(PYTHON) $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# Installed in place: a change to the code counts at once.
$(STAMPS)/install: $(STAMPS)/venv requirements/build.txt requirements/runtime.txt pyproject.toml
	@echo "Installing kana into $(VENV) ..."
	@$(INSTALL) -r requirements/build.txt -r requirements/runtime.txt
	@$(BIN)/uv pip install --quiet --no-config --offline --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/dev: $(STAMPS)/install requirements/dev.txt
	@echo "Installing what checks and tests need ..."
	@$(INSTALL) -r requirements/dev.txt
	@touch $@

$(STAMPS)/bench: $(STAMPS)/dev requirements/bench.txt scripts/need
	@echo "Installing what benchmarks need ..."
	@$(INSTALL) -r requirements/bench.txt
	@scripts/need wrk
	@touch $@

$(STAMPS)/node: $(STAMPS)/venv requirements/node.txt
	@if ! command -v npm >/dev/null || ! command -v node >/dev/null; then \
	    echo "Installing Node.js into $(VENV) ..."; \
	    $(INSTALL) -r requirements/node.txt; \
	fi
	@touch $@

$(STAMPS)/static: $(STAMPS)/node frontend/package.json frontend/package-lock.json scripts/build-static
	@echo "Bringing the dashboard's style sheets and scripts ..."
	@cd frontend && npm ci --ignore-scripts --loglevel=error
	@$(BIN)/python scripts/build-static
	@touch $@

# npm's own mark is the stamp: where the folder is gone, it is filled again.
$(NODE_TESTS): $(STAMPS)/node tests/node/package.json tests/node/package-lock.json
	@echo "Installing the Node packages of the tests ..."
	@cd tests/node && npm ci --loglevel=error
	@touch $@

$(STAMPS)/postgres: $(STAMPS)/dev requirements/postgres.txt tests/support/postgres.py
	@if ! $(BIN)/python -m tests.support.postgres >/dev/null 2>&1; then \
	    echo "Installing PostgreSQL into $(VENV) ..."; \
	    $(INSTALL) -r requirements/postgres.txt; \
	    $(BIN)/python -m tests.support.postgres; \
	fi
	@touch $@

$(STAMPS)/programs: $(STAMPS)/dev scripts/need
	@for program in chromium curl pgbouncer strace; do scripts/need $$program || exit 1; done
	@touch $@
