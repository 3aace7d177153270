# `make help` lists the targets. Every one makes what it needs: the environment in .venv, the packages, the model.
#
#   PYTHON        the Python that makes .venv                  make train PYTHON=python3.12
#   TORCH_INDEX   where torch comes from                       make train TORCH_INDEX=https://download.pytorch.org/whl/cpu
#   TORCH         which torch; the default is the version that the figures in the README were measured with
#   ARGS          passed on to the command                     make train ARGS="--seed 1"
#   WORKERS       processes that the tests run in
#   PROCESSES     processes that train together               make train PROCESSES=2
#
# On Linux the default index serves the CUDA build of torch: several GB, which a machine without a GPU can save with
# TORCH_INDEX. Once .venv exists, `make clean` comes before another PYTHON, TORCH or TORCH_INDEX. The same holds for
# .venv-clients and .venv-peers, which `make clients` and `make peers` make for themselves: the libraries that they test
# pin versions of others.

PYTHON ?= python3
TORCH_INDEX ?=
TORCH ?= torch==2.13.0
WORKERS ?= 2
PROCESSES ?= 1
ARGS ?=
# What `make train` adds to the defaults of `marft train`: one try at each problem and nothing to come after it, and
# matrix products by oneDNN, which is faster on some processors (benchmarks/README.md). `make train DEMO=` leaves it
# out.
DEMO ?= --env-options horizon 1 --gamma 0 --matmul-precision medium --attn-implementation eager

VENV := .venv
BIN := $(VENV)/bin
CLIENTS_VENV := .venv-clients
PEERS_VENV := .venv-peers
# A stamp is touched when its step has succeeded, and is older than what the step depends on when it must run again.
# It lies in the environment that it tells of.
TRAINABLE := $(VENV)/.train-installed
TESTABLE := $(VENV)/.dev-installed
CLIENTS := $(CLIENTS_VENV)/.clients-installed
TOGETHER = $(BIN)/torchrun --standalone --nproc-per-node $(PROCESSES) -m baselines.cli
PEERS := $(PEERS_VENV)/.peers-installed
PIP = $(@D)/bin/python -m pip --disable-pip-version-check install

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help train test check format lint types clients peers model clean

help: ## list the targets
	@echo "marft-envs: teams of LLM agents that learn"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'Settings: PYTHON TORCH_INDEX TORCH ARGS WORKERS PROCESSES (explained at the top of the Makefile)'

train: $(TRAINABLE) model ## train the two-agent team on this machine; ARGS="--help" lists the settings
	$(if $(filter 1,$(PROCESSES)),$(BIN)/marft,$(TOGETHER)) train $(DEMO) $(ARGS)

# One thread per process: two processes with one thread each beat one with two, and figures repeat.
test: $(TESTABLE) model ## run every test; ARGS="-k name" picks some
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: lint types test ## what a pull request must pass: format, lint, types, tests

format: $(TESTABLE) ## rewrite the code in the house format, and mend what ruff can mend
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

lint: $(TESTABLE) ## format and lint, as a check
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(TESTABLE) ## mypy, strict
	@$(BIN)/mypy

clients: $(CLIENTS) ## step every environment through Tianshou, RLlib and TorchRL, in .venv-clients (2 GB)
	@OMP_NUM_THREADS=1 $(CLIENTS_VENV)/bin/python -m pytest tests/clients $(ARGS)

peers: $(PEERS) ## compare our arithmetic with that of TRL, Stable-Baselines3, TorchRL, CoMLRL and SciPy, in .venv-peers
	@OMP_NUM_THREADS=1 $(PEERS_VENV)/bin/python -m pytest tests/peers $(ARGS)

model: $(TRAINABLE) ## fetch the default model into the user's cache; instant if it is there
	@$(BIN)/python -m baselines.policies.models

clean: ## remove all environments and what the tools cached; runs/ and the fetched model stay
	rm -rf $(VENV) $(CLIENTS_VENV) $(PEERS_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made $(CLIENTS_VENV)/.made $(PEERS_VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "marft-envs needs Python 3.11 or newer, and '$(PYTHON)' is not: make PYTHON=/path/to/python3.12" >&2; \
		exit 1; }
	@echo "Making the environment $(@D) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(@D)
	@touch $@

# torch goes first and alone: its build is a choice of its own, and what is installed already is left as it is.
$(VENV)/.torch-installed $(CLIENTS_VENV)/.torch-installed $(PEERS_VENV)/.torch-installed: %/.torch-installed: %/.made
	@if [ -z "$(TORCH_INDEX)" ] && [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then \
		echo "Installing $(TORCH). No NVIDIA GPU was found here, and the default index may serve the CUDA build, several GB;"; \
		echo "for the CPU build (200 MB) stop here and add TORCH_INDEX=https://download.pytorch.org/whl/cpu"; \
	else echo "Installing $(TORCH)"; fi
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) '$(TORCH)'
	@touch $@

$(TRAINABLE): $(VENV)/.torch-installed pyproject.toml
	@echo "Installing marft-envs and what training needs (about 100 MB)"
	@$(PIP) --quiet --editable '.[train]'
	@touch $@

$(TESTABLE): $(TRAINABLE)
	@echo "Installing what the checks need"
	@$(PIP) --quiet --editable '.[dev]'
	@touch $@

$(CLIENTS): $(CLIENTS_VENV)/.torch-installed pyproject.toml
	@echo "Installing Tianshou, RLlib, TorchRL and what the checks need"
	@$(PIP) --quiet --editable '.[clients,dev]'
	@touch $@

$(PEERS): $(PEERS_VENV)/.torch-installed pyproject.toml
	@echo "Installing TRL, Stable-Baselines3, TorchRL, CoMLRL, SciPy and what the checks need"
	@$(PIP) --quiet --editable '.[peers,train,dev]'
	@touch $@
