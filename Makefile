# The environment makes itself at first use and again when pyproject.toml changes.
N       ?=
SESSION ?= paper
BACKEND ?=
SEED    ?=
KEEP    ?=
REMOTE_PEERS ?=
GUESTS  ?=
PUBLISH ?=
SCENARIO ?= split-half

PY   = .venv/bin/python
ENV  = .venv/.installed
PURE = tests/test_repository.py $(addprefix tests/,protocol messages session records analysis web/report web/charts web/live_page)

# Tests run in parallel; the tiers are markers (pyproject.toml, .ci/README.md).
PARALLEL = -n auto --maxprocesses 4
FAST     = -m "not (slow or real or docker or soak)"
PYTEST   = $(PY) -m pytest $(PARALLEL) $(if $(CI),--no-skips --durations=40)

# Keep bytecode: without it, each process that imports torch compiles torch again, which takes two seconds.
unexport PYTHONDONTWRITEBYTECODE

# Modules that write a committed file; with --check they only compare.
GENERATORS = tools.generate monitor.dashboards

.DEFAULT_GOAL := help
.PHONY: help swarm chaos base-images images push status logs down render test test-all test-core test-bare test-others test-real test-kubernetes check verify format tools contracts data docs wheel-check soak bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

swarm: $(ENV) ## Run a session: N=20 SESSION=paper BACKEND= (compose, embedded, sim, kubernetes) SEED= KEEP=1 REMOTE_PEERS=1
	@$(PY) -m learnae swarm "$(SESSION)" $(if $(N),--peers $(N)) $(if $(BACKEND),--backend $(BACKEND)) $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep) $(if $(REMOTE_PEERS),--remote-peers $(REMOTE_PEERS)) $(if $(GUESTS),--guests $(GUESTS)) $(if $(PUBLISH),--publish $(PUBLISH))

chaos: $(ENV) ## Run a scenario of faults or cheats: SCENARIO=split-half N=20 SEED= BACKEND= (compose, embedded, sim, kubernetes)
	@$(PY) -m learnae chaos run $(SCENARIO) $(if $(N),--peers $(N)) $(if $(BACKEND),--backend $(BACKEND)) $(if $(SEED),--seed $(SEED))

base-images: ## Pull the images that the swarm's are built on, or make stand-ins
	@bash tools/base-images.sh

images: $(ENV) ## Build the swarm's images
	@$(PY) -m learnae compose images

push: images ## Push the images to a registry: REGISTRY=registry.example/team/learnae:1.0
	@$(PY) -m learnae compose push $(or $(REGISTRY),$(error name the images: make push REGISTRY=registry.example/team/learnae:1.0))

status: $(ENV) ## Say which containers of the swarm there are
	@$(PY) -m learnae $(or $(BACKEND),compose) status

logs: $(ENV) ## Print what a pod said: PEER=7
	@$(PY) -m learnae compose logs $(or $(PEER),$(error name the pod: make logs PEER=7))

down: $(ENV) ## Remove the swarm's containers, network and volumes, also after a crash: BACKEND=kubernetes
	@$(PY) -m learnae $(or $(BACKEND),compose) down

render: $(ENV) ## Print what Compose or Kubernetes would be given: N=20 SESSION= BACKEND=kubernetes
	@$(PY) -m learnae $(or $(BACKEND),compose) render "$(SESSION)" $(if $(N),--peers $(N))

test: test-core test-others ## Run the fast tests, which need nothing but Python

test-all: test test-real ## Run all tests except the soak tests; needs `make tools` and Docker

test-core: $(ENV) ## Run the tests of the pure modules and require 100 % coverage
	$(PYTEST) $(FAST) $(PURE) --cov

test-bare: $(ENV) ## Run the tests of the pure modules in a Python without the dependencies of the product
	$(PY) -m uv run -q --no-project --isolated --python $(PY) $(addprefix --with ,pytest pytest-xdist hypothesis) \
		python -m pytest $(PARALLEL) $(FAST) $(addprefix --ignore=tests/session/test_,session_file.py renamed_settings.py) $(PURE)

test-others: $(ENV) ## Run the other fast tests
	$(PYTEST) $(FAST) $(addprefix --ignore=,$(PURE)) tests

test-real: $(ENV) ## Run the tests on Kubo, Anvil, HORNET, Docker, Prometheus and Chromium, and whole simulated sessions
	$(PYTEST) -m "(slow or real or docker) and not soak" tests

check: $(ENV) ## Lint, formatting, types, imports
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy peer/learnae $(wildcard tests bench data contracts monitor tools)
	$(PY) -c 'from importlinter.cli import lint_imports_command as main; main()' --no-logo

verify: $(ENV) ## Prove that the generated files are current
	$(foreach module,$(GENERATORS),$(PY) -m $(module) --check &&) true
	$(PY) contracts/compile.py --check $(if $(CI),--must-compile)

format: $(ENV) ## Sort imports, format
	$(PY) -m ruff check --fix-only
	$(PY) -m ruff format

tools: ## Bring Anvil, solc, Kubo and HORNET into .tools/, for tests on real parts and for `make contracts`
	@sh tools/binaries.sh

contracts: $(ENV) ## Compile contracts/ into peer/learnae/resources
	@sh tools/binaries.sh evm
	$(PY) contracts/compile.py

data: $(ENV) ## Make some of the shipped rows again, with Pythia, and compare
	$(PY) -m uv run -q --no-project --isolated --python $(PY) --with-requirements data/requirements.txt python data/generate.py --check

docs: $(ENV) ## Build the documentation as a site in build/site
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --strict && echo 'Open build/site/index.html'

wheel-check: $(ENV) ## Build the wheel, install it into an empty environment and run it in another folder
	@tools/check_wheel.sh

soak: $(ENV) ## Run the long tests; commit the dated result
	@mkdir -p .ci/soak
	@bash -o pipefail -c '$(PY) -m pytest --no-header --durations=0 -m "soak and not kubernetes" tests | tee .ci/soak/$(shell date +%F).txt'

test-kubernetes: $(ENV) ## Run the tests on a Kubernetes of two nodes, which is built first; commit the dated result
	@mkdir -p .ci/soak
	@bash -o pipefail -c 'tools/kubernetes/test.sh $(PY) | tee .ci/soak/$(shell date +%F)-kubernetes.txt'

bench: $(ENV) ## Run the measurements in bench/
	$(foreach program,$(wildcard bench/*.py),$(PY) -m $(subst /,.,$(basename $(program))) &&) true

clean: ## Remove caches and build output; .venv and runs/ stay
	rm -rf build .*_cache .coverage* .hypothesis peer/*.egg-info
	find . -path ./.venv -prune -o -name __pycache__ -prune -exec rm -rf {} +

# The stamp holds the directory: an editable installation that was moved points at the old one.
ifneq ($(shell cat $(ENV) 2>/dev/null),$(CURDIR))
.PHONY: $(ENV)
endif
$(ENV): pyproject.toml tools/install.sh
	@sh tools/install.sh && echo '$(CURDIR)' > $@
