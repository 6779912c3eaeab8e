# Thin names over the tools. Every target makes what it needs: a fresh clone wants only make and a Python >= 3.11.
#   make PYTHON=python3.12 test     another interpreter
#   make demo KEEP=1                leave the demo's cluster running
#   make image IMAGE=registry/name:tag

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
IMAGE ?= data-locality-scheduler:dev
KEEP ?=

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
LOCKED := requirements/dev.txt
# Only folders that exist are checked, so that a checkout without, say, benchmarks/ still lints.
CODE := $(wildcard scheduler daemon webhook localcluster demo tests benchmarks)

# The environment: exactly the locked packages, each checked against its hash, then this project as an editable
# install. pyproject.toml is a prerequisite because the console script and the package list live there.
$(STAMP): $(LOCKED) pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else "Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.11" % v[:2])'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes -r $(LOCKED)
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: .venv demo test explore lint types bench bench-engine bench-assign bench-quality bench-parts parity parity-configuration parity-waking sequences hostile e2e image image-test lock clean help

.venv: $(STAMP)

demo: $(STAMP)  ## a real control plane on this machine, pods placed by data, compared with stock kube-scheduler
	$(PY) -m demo $(if $(KEEP),--keep)

test: $(STAMP)  ## everything that CI runs: units, laws, compatibility, end to end on the local control plane
	$(PY) -m tests $(ARGS)

explore: $(STAMP)  ## all laws and hostile tests with ten times the examples, fresh ones each time: SEED=7 ARGS=tests/state
	HYPOTHESIS_PROFILE=explore $(PY) -m pytest -m "hypothesis and not kind" $(if $(SEED),--hypothesis-seed=$(SEED)) $(ARGS)

lint: $(STAMP)  ## style, formatting, layers
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/lint-imports --no-cache

types: $(STAMP)  ## mypy --strict
	$(VENV)/bin/mypy $(CODE)

bench: $(STAMP)  ## schedulers in turn on one real API server: ARGS=--bounds for what bounds.yaml speaks of
	$(PY) -m benchmarks.scheduling $(ARGS)

bench-engine: $(STAMP)  ## decisions alone, by kind of pod, with 50,000 pods placed, beside kube-scheduler's own cycle and Skippy's core
	$(PY) -m benchmarks.engine $(ARGS)

bench-assign: $(STAMP)  ## joint plans beside the best there is, by an exact solver; goes on where it was: ARGS=--instances=100
	$(PY) -m benchmarks.assign --out benchmarks/results/assign $(ARGS)

bench-quality: $(STAMP)  ## placements: workflows simulated on three topologies, beside other schedulers; goes on where it was
	$(PY) -m benchmarks.simulated
	$(PY) -m benchmarks.quality $(ARGS)

bench-parts: $(STAMP)  ## the benchmarks of the parts: questions, daemons, webhook
	for script in benchmarks/bench_*.py; do echo "== $$script"; $(PY) "$$script"; done

parity: $(STAMP)  ## our decisions and kube-scheduler's own plugins on the same hostile questions: COUNT=10000 SEED=1 THEMES=taints,ports
	$(PY) -m tests.parity.compare $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED)) $(if $(THEMES),--themes $(THEMES)) $(ARGS)

parity-configuration: $(STAMP)  ## kube-scheduler and we read the same hostile configuration files: COUNT=10000 SEED=1
	$(PY) -m tests.parity.configuring $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED)) $(ARGS)

parity-waking: $(STAMP)  ## whom hostile events wake, by kube-scheduler's own hints and by ours: COUNT=10000 SEED=1
	$(PY) -m tests.parity.waking $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

sequences: $(STAMP)  ## one script of changes for kube-scheduler and for ours, each on an API server of its own: COUNT=20 LENGTH=20 SEED=1
	$(PY) -m tests.parity.sequences.compare $(if $(COUNT),--count $(COUNT)) $(if $(LENGTH),--length $(LENGTH)) $(if $(SEED),--seed $(SEED))

hostile: $(STAMP)  ## 100,000 hostile answers and as many hostile notices of stores: crashes, memory, the loop's stalls
	$(PY) -m tests.daemon.hostile $(ARGS)

e2e: $(STAMP)  ## the image and the manifests on kind (needs docker, kind and kubectl)
	$(PY) -m pytest -m kind $(ARGS)

image: ## the one container image
	docker build --tag $(IMAGE) .

image-test: $(STAMP)  ## the image built by buildah over Debian's packages, and started (root; buildah, debootstrap, crun)
	$(PY) -m pytest -m image $(ARGS)

# Resolved for every Python and platform at once. Nothing but names, versions and hashes goes into the files: the
# package index is the installing machine's own business.
COMPILE = $(VENV)-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock:  ## resolve the dependencies anew
	test -x $(VENV)-lock/bin/uv || { $(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv; }
	$(COMPILE) pyproject.toml --extra webhook --output-file requirements/base.txt
	$(COMPILE) pyproject.toml --extra webhook --group dev --constraints requirements/base.txt --output-file requirements/dev.txt
	$(COMPILE) --group build --constraints requirements/dev.txt --output-file requirements/build.txt

clean:  ## remove everything made here (not the per-user cache of cluster binaries)
	rm -rf $(VENV) $(VENV)-lock build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 20
