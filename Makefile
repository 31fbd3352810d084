# The two commands that matter: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

ENV ?= local
export PYTHONPATH := $(CURDIR)/local/src:$(CURDIR)/files/worker/src
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# The newest supported interpreter that this machine has; .python-version decides where pyenv or uv is in charge.
PYTHON ?= $(shell for p in python3 python3.13 python3.14 python3.12; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo $$p && break; done)
UV := .venv/bin/uv
PIP_INSTALL := $(UV) pip install --quiet --require-hashes --compile-bytecode

##@ Set-up
.PHONY: setup
setup: .venv/.run-ready .venv-cloud/.ready .venv-worker/.ready local/node_modules/.ready ## Create the environments from the lock files

.venv/bin/uv: requirements/bootstrap.txt
	@test -n "$(PYTHON)" || { echo "Python 3.12 or newer is needed and none was found on PATH: install python3.13, or name one with PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "$(PYTHON) cannot create a virtual environment: on Debian and Ubuntu install the package python3-venv." >&2; exit 1; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

.venv/.run-ready: requirements/run.txt .venv/bin/uv
	@echo "Installing Ansible and the embedded cloud's tools (.venv) ..."
	@$(PIP_INSTALL) --python .venv -r requirements/run.txt
	@touch $@

.venv/.test-ready: requirements/test.txt .venv/.run-ready
	@echo "Installing the test tools (.venv) ..."
	@$(PIP_INSTALL) --python .venv -r requirements/test.txt
	@touch $@

.venv-cloud/.ready: requirements/cloud.txt .venv/bin/uv
	@echo "Installing the AWS emulator (.venv-cloud) ..."
	@$(UV) venv --quiet --allow-existing --python .venv/bin/python .venv-cloud
	@$(PIP_INSTALL) --python .venv-cloud -r requirements/cloud.txt
	@touch $@

.venv-worker/.ready: files/worker/requirements.txt .venv/bin/uv
	@echo "Installing the worker's packages (.venv-worker) ..."
	@$(UV) venv --quiet --allow-existing --python .venv/bin/python .venv-worker
	@$(PIP_INSTALL) --python .venv-worker -r files/worker/requirements.txt
	@touch $@
