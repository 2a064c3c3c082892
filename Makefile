# The user's and the developer's commands; `make help` lists them.

PYTHON ?= python3.10
WORKDIR ?= runs/cartpole
# Further flags of `make run`, such as ARGS=--config.run.max_minutes=2, and of
# `make test`, such as ARGS=tests/replay.
ARGS ?=
# Of `make soak`.
MINUTES ?= 60

VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
# Written as the very last step of the installation, so that one which broke
# off half-way does not count.
INSTALLED := $(VENV)/.installed

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help doctor setup environment run test test-learning test-cluster \
  test-faults soak benchmark peers check lock clean

help:  ## This list.
	@awk -F ':.*  ## ' '/^[a-z-]+:.*  ## / { printf "  %-14s %s\n", $$1, $$2 }' \
	  Makefile

doctor:  ## Is this machine fit? Needs nothing installed but Python.
	@$(PYTHON) -c '' || { echo \
	  "make: '$(PYTHON)' does not run. Python 3.10 is needed: install it, or" \
	  "name it: make PYTHON=/path/to/python3.10 ..." >&2; exit 1; }
	@$(PYTHON) launch/doctor.py --host

setup: environment  ## Install everything into .venv, once.

# `doctor` comes before an installation but never causes one.
$(INSTALLED): requirements.lock setup.py | doctor
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	@# pip, setuptools and wheel come first: dm-acme is built from source, and
	@# with exactly these. pip compiles byte-code whatever
	@# PYTHONDONTWRITEBYTECODE says, and that matters: see BUILD_NOTES.md.
	awk '/^[a-z]/ { keep = /^(pip|setuptools|wheel)==/ } keep' \
	  requirements.lock > $(VENV)/bootstrap.lock
	$(VENV_PYTHON) -m pip install --require-hashes --no-deps --compile \
	  -r $(VENV)/bootstrap.lock
	$(VENV_PYTHON) -m pip install --require-hashes --no-deps --compile \
	  --no-build-isolation -r requirements.lock
	$(VENV_PYTHON) -m pip install --no-deps --no-build-isolation --editable .
	$(VENV_PYTHON) -m pip check
	touch $(INSTALLED)

environment: $(INSTALLED)
	@$(VENV_PYTHON) launch/doctor.py --environment

run: doctor environment  ## Train Ape-X DQN on CartPole (WORKDIR=, ARGS=).
	$(VENV_PYTHON) -m launch.train --config=configs/cartpole.py \
	  --workdir=$(WORKDIR) --resume=never $(ARGS)

# Most tests start processes and wait for them: two at a time take two thirds of
# the time.
test: doctor environment  ## All tests but those that have a target below (ARGS=).
	$(VENV_PYTHON) -m pytest --numprocesses=2 --dist=worksteal $(ARGS)

test-learning: doctor environment  ## The slow learning runs.
	$(VENV_PYTHON) -m pytest -m learning -o faulthandler_timeout=0 $(ARGS)

test-cluster: doctor environment  ## Runs on many hosts, whose cables are pulled.
	$(VENV_PYTHON) -m pytest -m cluster -s -o faulthandler_timeout=0 $(ARGS)

test-faults: doctor environment  ## A run of many faults (ARGS=--output=FILE).
	$(VENV_PYTHON) -m pytest -m faults -o faulthandler_timeout=0
	$(VENV_PYTHON) -m tests.faults --faults=60 --seed=0 $(ARGS)

soak: doctor environment  ## Watch a long run for leaks (MINUTES=, ARGS=).
	$(VENV_PYTHON) -m tests.soak --minutes=$(MINUTES) --workdir=runs/soak \
	  --output=runs/soak.md $(ARGS)

# What ours is measured beside, each with libraries of its own.
PEERS := $(patsubst %,.venv-peers/%/.installed,acme rllib sb3)

.venv-peers/%/.installed: apex_tf/benchmarks/peers/%.txt
	rm -rf .venv-peers/$*
	$(PYTHON) -m venv .venv-peers/$*
	.venv-peers/$*/bin/python -m pip install --compile pip==26.3 wheel \
	  $$(grep '^setuptools==' $<)
	.venv-peers/$*/bin/python -m pip install --compile --no-deps \
	  --no-build-isolation -r $<
	touch $@

peers: doctor $(PEERS)  ## Install the agents that `benchmark` compares with.

benchmark: doctor environment peers  ## How fast, beside what is possible (ARGS=).
	$(VENV_PYTHON) -m launch.benchmark --suite=all \
	  --output=runs/benchmark.json $(ARGS)

check: environment  ## Linter and type checker.
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m mypy

lock: environment  ## Compile requirements.lock from setup.py (ARGS=--upgrade).
	CUSTOM_COMPILE_COMMAND='make lock' $(VENV_PYTHON) -m piptools compile \
	  --quiet --generate-hashes --allow-unsafe --strip-extras \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --extra control --extra dev --extra minatar --extra video \
	  --output-file requirements.lock $(ARGS) setup.py

clean:  ## Remove .venv, the peers and all caches; runs/ stays.
	rm -rf $(VENV) .venv-peers build dist *.egg-info .hypothesis .mypy_cache \
	  .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
