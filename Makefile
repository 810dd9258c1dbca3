# Every target works on a machine that has only Python 3.11+, make and a package index:
# the first one run makes .venv and installs the hash-locked set of requirements/dev.txt.
PYTHON ?= python3
BIN := .venv/bin
PLAN ?= simple
ROWS ?=
ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help init demo walk test wheel servers prove bench check openapi format lock clean

help: ## Say what each target does
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# On standard error: standard output belongs to what is run.
.venv/.installed: requirements/dev.txt pyproject.toml
	@echo "making .venv and installing what requirements/dev.txt locks" >&2
	@$(PYTHON) -m venv .venv >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . >&2
	@touch $@

init: .venv/.installed ## Make .venv and install what is locked

demo: init ## Run everything on this machine, with sample tenants (ARGS="--json --empty")
	@$(BIN)/nameplate demo $(ARGS)

walk: init ## Take one domain through its whole life and print it (PLAN=zero_downtime, delegated or wildcard; MISTAKE=typo, caa, proxied, doubled or apex)
	@$(BIN)/nameplate walk --plan $(PLAN) $(if $(MISTAKE),--mistake $(MISTAKE)) $(ARGS)

test: init ## Run the fast tests (about ten minutes on two cores)
	$(BIN)/pytest $(ARGS)

wheel: init ## Build the wheel, install it elsewhere, and run it from an empty folder
	$(BIN)/python -m tests.wheel

servers: init ## Run the tests of the database over Debian's Postgres, and through PgBouncer
	TEST_DATABASE=debian $(BIN)/pytest tests/persistence tests/migrations $(ARGS)
	TEST_DATABASE=pgbouncer $(BIN)/pytest tests/persistence tests/services $(ARGS)

prove: init ## Run the long proofs: kills, overload, the budget in life, the contract, a million names, watched names, webhooks (over an hour)
	$(BIN)/pytest -m proof -n 0 $(ARGS)

bench: init ## Measure the speed promises side by side (ROWS="P1")
	$(BIN)/python -m benchmarks $(ROWS)

check: init ## Format, lint, types, import contracts, lock files, openapi.json, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.lock_files
	$(BIN)/python -m tests.openapi_document --check
	$(BIN)/pytest -q -n 0 tests/migrations

openapi: init ## Write openapi.json; refuse what would break callers unless CHANGELOG.md says so
	$(BIN)/python -m tests.openapi_document

format: init ## Put the code into its format and mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: init ## Resolve the requirements anew and write them with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--upgrade pyproject.toml --output-file requirements/run.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--upgrade --extra dev pyproject.toml --output-file requirements/dev.txt

clean: ## Remove .venv and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
