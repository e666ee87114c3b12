# Everything a developer runs. `make` alone lists the targets.
# Paths are relative, so that a checkout may lie in a folder with a space in its name.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := src tests examples benchmarks

.DEFAULT_GOAL := help
.PHONY: help demo test coverage check format lint types bench conformance soak constraints clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/demo ## Run the main job in both frameworks against the local emulator (or a real endpoint)
	@$(BIN)/python examples/demo.py

test: .venv/test ## Install what the tests need and run them
	@$(BIN)/python -m pytest $(ARGS)

coverage: .venv/test ## Run the core's tests and show which of its lines they reach; fails below 98 %
	@$(BIN)/python -m pytest tests/core tests/contract --cov=azureai_core --cov-report=term-missing --cov-fail-under=98

check: .venv/test .venv/lint ## Format check, lint, types and tests
	@$(BIN)/ruff format --check $(SOURCES)
	@$(MAKE) --no-print-directory lint types test

format: .venv/lint ## Bring the code into form
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

lint: .venv/lint ## Check format and lint rules
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)

types: .venv/test .venv/lint ## Check types, strictly
	@$(BIN)/mypy
	@$(BIN)/mypy tests/typing

bench: .venv/test ## Measure CPU against plain httpx (PEERS=DIR adds the peers installed below DIR)
	@$(BIN)/python benchmarks/run.py $(if $(PEERS),--peers "$(PEERS)")

conformance: .venv/test ## Run our conformance checks against ours and the peers, installed below PEERS (default .peers)
	@$(BIN)/python benchmarks/conformance/langchain_peers.py --install "$(or $(PEERS),.peers)"
	@$(BIN)/python benchmarks/conformance/llamaindex_peers.py --install "$(or $(PEERS),.peers)"

soak: .venv/test ## Send 3,000 calls through seeded faults and print what became of them
	@$(BIN)/python tests/core/chaos.py --calls 3000

clean: ## Remove the environment and what tools left behind
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .coverage htmlcov build dist

# Each environment step leaves a stamp, made anew when what it installs has changed.

.venv/base: pyproject.toml constraints.txt
	@test -x $(BIN)/python || { echo "Creating .venv"; $(PYTHON) -m venv .venv; }
	@$(PIP) "pip>=25.1"
	@touch $@

.venv/demo: .venv/base
	@echo "Installing what the demo needs (the first time, this takes a minute)"
	@$(PIP) --editable ".[langchain,llamaindex,emulator,cli]" --group demo
	@touch $@

.venv/test: .venv/base
	@echo "Installing what the tests need (the first time, this takes a minute)"
	@$(PIP) --editable ".[all]" --group demo --group test
	@touch $@

.venv/lint: .venv/base
	@$(PIP) --group lint
	@touch $@

constraints: ## Write constraints.txt anew from the newest versions that fit
	@rm -rf .venv-constraints && $(PYTHON) -m venv .venv-constraints
	@.venv-constraints/bin/python -m pip install --quiet --upgrade pip
	@.venv-constraints/bin/python -m pip install --quiet --editable ".[all]" --group demo --group test --group lint
	@{ echo "# Versions the project is tested with. Written by 'make constraints'."; \
	   .venv-constraints/bin/python -m pip freeze --exclude-editable; } > constraints.txt
	@rm -rf .venv-constraints
