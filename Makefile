# Everything that is done here is a target; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON3 ?= python3
GPU_PYTHON ?= python3
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
BENCH := $(VENV)/.bench
PAGE := $(VENV)/.page
PYTEST := $(PYTHON) -m pytest --quiet --durations=10 --durations-min=1
ARGS ?=
export NUMBA_CACHE_DIR ?= $(or $(WHARFAGE_CACHE),$(HOME)/.cache/wharfage)/numba

.PHONY: help setup crds dashboards format check test test-gateway test-page test-node test-engine test-peers test-focus quickstart demo demo-engine bench-operator bench-capacity bench-forecast bench-speed bench-loop bench-gateway bench-ledger bench-scaling bench-kernels clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[36m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  ARGS=... is handed to the target's program: make test ARGS='tests/crds -k budget'"

setup: $(READY) ## Make the virtual environment (uv if there is one, else plain pip)

$(READY): pyproject.toml
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON3=/path/to/python3.11")'
	@echo "setting up $(VENV) (1 to 3 minutes)"
	@quiet=$$([ -t 1 ] || echo --quiet); if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python $(PYTHON3) $(VENV); \
		uv pip install $$quiet --python $(PYTHON) --editable '.[operator,gateway,simulator,parquet,plots]' --group dev; \
	else \
		$(PYTHON3) -m venv $(VENV); \
		$(PYTHON) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'; \
		$(PYTHON) -m pip install $$quiet --editable '.[operator,gateway,simulator,parquet,plots]' --group dev; \
	fi
	@touch $@

$(BENCH): $(READY)
	@echo "adding what benchmarks compare with"
	@if command -v uv >/dev/null; then uv pip install --quiet --python $(PYTHON) --group bench; \
	else $(PYTHON) -m pip install --quiet --disable-pip-version-check --group bench; fi
	@touch $@

dashboards: $(READY) ## Write the chart's Grafana dashboards and the reference of their panels from tools/dashboards
	@$(PYTHON) -m tools.dashboards

$(PAGE): $(READY)
	@echo "adding what drives a browser"
	@if command -v uv >/dev/null; then uv pip install --quiet --python $(PYTHON) --group page; \
	else $(PYTHON) -m pip install --quiet --disable-pip-version-check --group page; fi
	@touch $@

crds: $(READY) ## Write the CRDs, the chart's copy of them, its schema and the API reference from the types
	@$(PYTHON) -m wharfage_api
	@$(PYTHON) -m tools.settings_schema

format: $(READY) ## Lay the code out and mend what can be mended without thought
	@$(VENV)/bin/ruff check --fix --quiet
	@$(VENV)/bin/ruff format --quiet
	@$(PYTHON) -c 'from tests.devcluster import build; print(build.go().with_name("gofmt"))' | xargs -I{} {} -w tests/devcluster

check: $(READY) ## Everything that can be said without running it: style, types, layers, chart, images, workflows
	@$(PYTHON) -m tools.check $(ONLY)

test: $(READY) ## Unit tests, and API, operator and chart against a real API server (no root needed)
	@$(PYTEST) --numprocesses=2 --dist=loadscope --ignore=tests/gateway --ignore=tests/page --ignore=tests/node --ignore=tests/engine --ignore=tests/peers --ignore=tests/focus $(ARGS)

test-gateway: $(READY) ## A real Envoy, the brain beside it and engines that pretend, on loopback (no root needed)
	@$(PYTEST) tests/gateway $(ARGS)

test-page: $(PAGE) ## The page in a real browser, against a real API server (root once, where Chromium is not installed)
	@$(PYTEST) tests/page $(ARGS)

test-node: $(READY) ## The operator as a pod on a real node, installed by Helm from the built image (root)
	@$(PYTEST) tests/node $(ARGS)

test-engine: $(READY) ## Real vLLM in the pods that the operator makes, the loop closed on it (root): ENGINE_JSON=file writes the figures
	@$(PYTEST) tests/engine $(ARGS)

test-peers: $(READY) ## The peers' own packages against the versions of them that we compare with
	@$(PYTEST) tests/peers $(ARGS)

test-focus: $(READY) ## The rows of `wharfage report --format focus` before the official validator (Python 3.12)
	@$(PYTEST) tests/focus $(ARGS)

quickstart: $(READY) ## A model served on machines that Karpenter bought: KEEP=1 leaves it up, KUBE=current uses your cluster
	@$(PYTHON) -m demo.quickstart $(ARGS)

demo: $(READY) ## Two hours of load in four minutes, with a spike and a spot storm; the bill, and that of the day: demo-two-hours/
	@$(PYTHON) -m demo.replay $(ARGS)

demo-engine: $(READY) ## The gateway before a real vLLM in real pods: woken, counted, drained, throttled (root)
	@$(PYTHON) -m demo.engine $(ARGS)

bench-operator: $(READY) ## The operator against a bare writer: JSON=file writes the numbers
	@$(PYTHON) -m benchmarks.operator $(ARGS)

bench-capacity: $(READY) ## The capacity model against measured serving points: DATA=folder, JSON=file writes the errors
	@$(PYTHON) -m benchmarks.capacity $(ARGS)

bench-forecast: $(BENCH) ## Load forecasts against what others do: DATA=folder of traces, JSON=file writes the numbers
	@$(PYTHON) -m benchmarks.forecast $(ARGS)

bench-gateway: $(READY) ## What the gateway adds and takes, and what it must not lose: JSON=file writes the figures
	@$(PYTHON) -m benchmarks.gateway $(ARGS)

bench-ledger: $(PAGE) ## How exact the ledger is, how budgets end over 10,000 days, how soon the page is there: DATA=folder of traces, JSON=file writes the figures
	@$(PYTHON) -m benchmarks.ledger $(ARGS)

bench-loop: $(READY) ## The closed loop: cost of 300 deployments, spot notices, the replay's bill, real vLLM (root): ARGS='fleet notices replay', JSON=file
	@$(PYTHON) -m benchmarks.loop $(ARGS)

bench-speed: $(READY) ## How fast things are decided, one core: ARGS='mix' measures one figure, JSON=file writes them
	@$(PYTHON) -m benchmarks.speed $(ARGS)

bench-scaling: $(READY) ## Ours against other autoscalers on public load: DATA=folder, JSON=file writes the figures
	@$(PYTHON) -m benchmarks.scaling $(ARGS)

bench-kernels: ## What a GPU's kernels take against what capacity assumes: an NVIDIA GPU, GPU_PYTHON=python with torch, triton, scipy
	@PYTHONPATH=autoscaler:. $(GPU_PYTHON) -m benchmarks.kernels_gpu $(ARGS)

clean: ## Remove what was made in the tree; the cache of built programs stays
	@rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
