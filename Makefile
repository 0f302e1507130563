# The commands of this house. `make demo` and `make test` are all a newcomer needs; both call `make setup` first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
# The one contract that takes minutes: it starts real sandboxes.
SANDBOXES := tests/contract/test_sandbox_conformance.py
BENCH_DATA ?= ../shared/bench

# Suites on real processes share two cores with whatever else runs: what fails is run once more and named, what fails
# twice fails.
pytest = $(BIN)/pytest -q $(1) || { echo "Once more, only what failed:"; $(BIN)/pytest -q --last-failed --last-failed-no-failures none $(1); }

.PHONY: help setup docs demo test check format lint types imports unit integration chaos e2e web page bench bench-clustering \
        bench-localization generate lock up clean compose-credentials

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

setup: .venv/.ready agents/node_modules/.ready dashboard/dist/.ready ## install what is pinned: .venv, the coding agent, the built page

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Soulcaster needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make setup PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the pinned Python packages into .venv (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

agents/node_modules/.ready: agents/package-lock.json
	@command -v npm >/dev/null || { echo "Soulcaster needs Node 20 or newer with npm: the coding agent and the page come from there."; exit 1; }
	@echo "Installing the pinned coding agent into agents/node_modules"
	@cd agents && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

dashboard/dist/.ready: dashboard/package-lock.json $(shell git ls-files dashboard/src dashboard/index.html dashboard/vite.config.ts 2>/dev/null)
	@echo "Building the page into dashboard/dist"
	@# import-x and its kind are kept out: npm's lock lacks their binaries for other systems, and npm ci then refuses.
	@cd dashboard && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build -- --logLevel error
	@touch $@

demo: setup ## the main job on a sample repository: reports in, draft pull request out
	@$(BIN)/soulcaster up --demo

up: setup ## start everything on loopback, data in ./.soulcaster
	@$(BIN)/soulcaster up

test: setup check web integration chaos e2e page ## every test

check: .venv/.ready ## format, lint, types, import rules, unit and contract tests: under a minute
	@$(BIN)/ruff format --check --quiet . || { echo "Run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache 2>&1 | tail -n 3
	@$(BIN)/pytest -q -n 2 tests/unit tests/contract --ignore=$(SANDBOXES)

format: .venv/.ready ## write the house format
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

integration: .venv/.ready agents/node_modules/.ready ## our code on real servers
	@$(call pytest,tests/integration $(SANDBOXES))

chaos: .venv/.ready agents/node_modules/.ready ## promises under kill -9
	@$(call pytest,tests/chaos)

e2e: setup ## a person at the terminal and in the browser
	@$(call pytest,tests/e2e --ignore=tests/e2e/test_page.py)

web: setup ## the page's types, lint, format and components
	@cd dashboard && npm run --silent check && npm run --silent test -- --reporter=dot

page: setup ## the page in Chromium: the main path by keyboard, axe, long logs, hostile texts (five minutes)
	@$(call pytest,tests/e2e/test_page.py)

bench: .venv/.ready ## measured claims as JSON lines
	@for file in benchmarks/bench_*.py; do $(BIN)/python -m benchmarks.$$(basename $$file .py); done

bench-clustering: .venv/.ready ## score the clustering engine on BENCH_DATA
	@$(BIN)/python -m benchmarks.clustering.run $(BENCH_DATA)/clustering

bench-localization: .venv/.ready ## score candidate files on BENCH_DATA with git mirrors in MIRRORS
	@$(BIN)/python -m benchmarks.localization.run --data $(BENCH_DATA)/localization --mirrors "$(MIRRORS)"

docs: .venv/.ready ## the docs site in dist/docs; every link and anchor is checked
	@$(BIN)/python -m cli.site --out dist/docs

generate: .venv/.ready ## rewrite generated references: AsyncAPI, JSON Schema, OpenAPI, settings, types of the page
	@$(BIN)/python -m schemas.generate --golden
	@$(BIN)/python -m messaging.permissions
	@$(BIN)/python -m services.gateway.openapi --write docs/reference/openapi.json
	@$(BIN)/python -m cli.reference
	@cd dashboard && npm run --silent types

lock: .venv/.ready ## pin pyproject.toml's dependencies by hash in requirements.lock
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-annotate --no-header --quiet --output-file requirements.lock

clean: ## remove what setup and runs left
	@rm -rf .venv agents/node_modules dashboard/node_modules dashboard/dist .soulcaster .mypy_cache .ruff_cache .pytest_cache

compose-credentials: .venv/.ready ## passwords of the services for compose.yaml, in deploy/nats/credentials (never committed)
	@$(BIN)/python -m messaging.permissions --credentials deploy/nats/credentials
