# Everything here needs Python 3.11 or newer and make, and nothing else.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run webui ui-dev test test-ui pictures test-real fuzz floods faults simulate check check-ui bench bench-short bench-peers fmt
.PHONY: proto prices lock build clean

# The first Python that is new enough and can make a virtual environment; or: make PYTHON=/path/to/python3
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# How many processes share out the files with tests, the slow ones first: one for each core, at most eight, for
# each starts servers of its own. 0 runs all of them in the process that is started.
WORKERS ?= logical
SECONDS ?= 60
ROUNDS ?= 50
UV_VERSION := 0.13.8
COMPILE := .cache/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links pyproject.toml
REAL := tests/real
# Tests start hundreds of processes of this package. Without its bytecode each compiles it again: half a second.
export PYTHONDONTWRITEBYTECODE :=

help: ## Explain every target
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/.installed ## Start the gateway with a simulated provider, a demo project and a token
	@($(BIN)/python webui/build.py --beside &); exec $(BIN)/tollkeeper serve --demo

webui: .venv/.made ## Build the console application into webui/dist, if its sources changed
	@$(BIN)/python webui/build.py

ui-dev: .venv/.made ## Serve the console's sources with hot reload, on a running gateway; GATEWAY=http://127.0.0.1:8080
	@$(BIN)/python webui/build.py npm run dev

test: .venv/.installed-dev ## Run every test; make test ARGS="-k journal" runs some, WORKERS=0 in one process
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --maxprocesses=8 --dist=loadfile --no-loadscope-reorder $(ARGS)

test-ui: .venv/.installed-dev ## Test the console: logic, sizes, wheel, and in Chromium; ARGS="--grep tokens" runs some of it
	$(BIN)/python webui/build.py
	$(BIN)/python webui/build.py npm test
	$(BIN)/python -m pytest --quiet tests/ui
	$(BIN)/python -m tests.ui $(ARGS)

pictures: .venv/.installed-dev ## Take a picture of every page of the console, light, dark and on a phone, into webui/pictures
	$(BIN)/python webui/build.py
	$(BIN)/python -m tests.ui --config pictures.config.ts

test-real: .venv/.installed-dev ## Try the gateway with real servers and the OpenAI SDK's own tests, from PyPI
	$(BIN)/python -m pytest -v --capture=no --timeout=3600 tests/real $(ARGS)

fuzz: .venv/.installed-dev ## Try all that others send with new cases; make fuzz SECONDS=600 takes ten minutes
	$(BIN)/python -m tests.fuzz --seconds=$(SECONDS) $(ARGS)

floods: .venv/.installed-dev ## Flood a gateway in all known ways, and hold exact bounds on memory and others' waits
	$(BIN)/python -m pytest --quiet --floods tests/faults $(ARGS)

faults: .venv/.installed-dev ## Have ROUNDS of chaos, by SEED, happen to gateways, Redis, disk and STORE (sqlite, mongo), and balance the books
	$(BIN)/python -m tests.chaos --rounds=$(ROUNDS) --seed=$(or $(SEED),1) --store=$(or $(STORE),sqlite) $(ARGS)

simulate: .venv/.installed-dev ## Run new worlds of the shared ledger for SECONDS; SEED=17 runs the one of a seed again
	$(BIN)/python -m tests.simulation --seconds=$(SECONDS) $(if $(SEED),--seed=$(SEED)) $(ARGS)

check: .venv/.installed-dev ## Check style, types, the protocol, generated code and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python proto/generate.py --check
	PATH="$(CURDIR)/$(BIN):$$PATH" sh proto/check.sh
	$(BIN)/python -m pytest --quiet tests/test_architecture.py

check-ui: .venv/.installed-dev ## Check the console's types and style, and the client generated from proto/
	$(BIN)/python webui/build.py npm run check
	$(BIN)/python webui/build.py npm run generate -- --check

bench: .venv/.installed ## Measure the gateway beside its upstream and a bare relay, for some minutes (Linux)
	$(BIN)/python -m bench $(ARGS)

bench-short: .venv/.installed ## Prove in half a minute that the bench works
	$(BIN)/python -m bench --short $(ARGS)

bench-peers: .venv/.installed ## Measure as make bench does, LiteLLM's proxy, too
	$(BIN)/python -m bench --peers $(ARGS)

fmt: .venv/.installed-dev ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

proto: .venv/.installed-dev ## Generate the Python stubs and the TypeScript client from proto/
	$(BIN)/python proto/generate.py
	$(BIN)/python webui/build.py npm run generate

prices: .venv/.installed-dev ## Compile the table of prices that ships with the package
	$(BIN)/python prices/build.py

lock: .cache/uv/bin/uv ## Resolve pyproject.toml again; make lock ARGS=--upgrade takes newer versions
	$(COMPILE) $(ARGS) -o requirements.lock
	$(COMPILE) $(ARGS) --group dev --constraint requirements.lock -o requirements-dev.lock
	$(COMPILE:pyproject.toml=) $(ARGS) --group build --constraint requirements-dev.lock -o requirements-build.lock
	$(COMPILE:pyproject.toml=prices/litellm.in) --no-deps $(ARGS) -o prices/litellm.lock
	$(COMPILE:pyproject.toml=webui/node.in) $(ARGS) -o webui/node.lock
	$(COMPILE:pyproject.toml=$(REAL)/openai.in) $(ARGS) --constraint requirements-dev.lock -o $(REAL)/openai.lock
	$(COMPILE:pyproject.toml=$(REAL)/litellm.in) $(ARGS) -o $(REAL)/litellm.lock
	$(COMPILE:pyproject.toml=$(REAL)/llama-cpp.in) $(ARGS) -o $(REAL)/llama-cpp.lock

build: .venv/.installed ## Build the wheel, with the console application, into dist/
	@rm -rf build
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w dist .

clean: ## Remove what was made, but neither the demo's data nor the cache of test servers
	rm -rf .venv .cache build dist webui/dist* webui/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name '*.egg-info' -prune -exec rm -rf {} +

.venv/.made:
	@test -n "$(PYTHON)" || { echo >&2 "Python 3.11 or newer with venv is needed, and none was found. Install it\
	 (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python),\
	 or name one: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: .venv/.made pyproject.toml requirements.lock requirements-build.lock
	@echo "Installing locked dependencies; the first time takes a minute."
	@$(INSTALL) --require-hashes -r requirements.lock -r requirements-build.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.lock
	@echo "Installing locked dependencies for development."
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

.cache/uv/bin/uv: Makefile .venv/.made
	$(BIN)/python -m venv .cache/uv
	.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
