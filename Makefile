# The only entry: every target is one line that a person could type.
PYTHON ?= python3
BIN := .venv/bin
DEMO_ARGS ?=
ORDERS_ARGS ?=
TELEMETRY_ARGS ?=
TEST_ARGS ?=
REPLAY_ARGS ?=
HEALER ?= prunella
KUBERNETES ?=
CASES ?= all
IMAGE ?=
LOCK ?= requirements-image.lock
LOCAL_TESTS := examples/orders/tests tests/workflow tests/integration/model tests/integration/telemetry tests/integration/temporal tests/outages tests/chaos

.DEFAULT_GOAL := help
.PHONY: help setup demo orders telemetry test test-local test-cluster lint check audit crds chart dist package format unit integration e2e keda shadow replay-decisions chaos storm bench benchmark docs cluster cluster-down image lock clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## make the virtual environment (.venv) with everything pinned

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Prunella needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make setup PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "setup: installing the pinned packages into .venv (about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## break two services on a real cluster and watch them being healed (DEMO_ARGS=--once ends afterwards)
	@$(BIN)/python hack/demo $(DEMO_ARGS)

orders: setup ## break the order application four times under load, watch it being healed, audit its books (ORDERS_ARGS=--help)
	@$(BIN)/python hack/orders $(ORDERS_ARGS)

telemetry: setup ## break a service and watch its telemetry become an alert, without a cluster (TELEMETRY_ARGS=--once ends then)
	@$(BIN)/python hack/telemetry demo $(TELEMETRY_ARGS)

test: setup ## all tests: unit (in parallel), then those on a real cluster beside all others (TEST_ARGS: one run of pytest)
ifdef TEST_ARGS
	@$(BIN)/python -m pytest -q $(TEST_ARGS)
else
	@PYTHONPATH=tests:hack/cluster $(BIN)/python -m support.build_programs
	@$(BIN)/python -m pytest -q -n auto tests/unit
	@$(MAKE) --no-print-directory --jobs=2 test-local test-cluster
endif

test-local: setup ## a part of make test: what needs no cluster, or one to break (LOCAL_TESTS); prints its output at the end
	@$(BIN)/python -m pytest -q $(LOCAL_TESTS) > .venv/test-local.log 2>&1 || { cat .venv/test-local.log; exit 1; }
	@tail -n 1 .venv/test-local.log

test-cluster: setup ## a part of make test: integration and end to end on a real cluster
	@$(BIN)/python -m pytest -q tests --ignore tests/unit $(patsubst %,--ignore %,$(LOCAL_TESTS))

unit: setup ## the tests that need nothing running
	@$(BIN)/python -m pytest -q -m "not integration and not e2e and not chaos" $(TEST_ARGS)

integration: setup ## the tests that need a real API server
	@$(BIN)/python -m pytest -q -m "integration and not keda" $(TEST_ARGS)

e2e: setup ## the tests that heal real faults on a real cluster (KUBERNETES=1.36: ten faults on that version, built first)
ifdef KUBERNETES
	@env PRUNELLA_TEST_KUBERNETES='$(KUBERNETES)' $(BIN)/python -m pytest -q -m core tests/e2e $(TEST_ARGS)
else
	@$(BIN)/python -m pytest -q -m "e2e and not faults and not chaos and not core" $(TEST_ARGS)
endif

faults: setup ## the larger fault suite: dozens of faults at once on a real cluster, judged from its audit log
	@$(BIN)/python -m pytest -q -m faults tests/e2e $(TEST_ARGS)

replay-decisions: setup ## make the recorded decisions (tests/decisions) again; show those that differ (REPLAY_ARGS=--update writes them)
	@$(BIN)/prunella replay tests/decisions $(REPLAY_ARGS)

shadow: setup ## the shadow score and earned autonomy: scripted people after observed faults, on a real cluster
	@$(BIN)/python -m pytest -q -m shadow tests/e2e $(TEST_ARGS)

keda: setup ## the workers' autoscaler with a real KEDA, whose first build takes many minutes
	@$(BIN)/python -m pytest -q -m keda tests/integration $(TEST_ARGS)

check: lint ## what lint does and the unit tests, in three minutes
	@$(BIN)/python -m pytest -q -x -n auto tests/unit

lint: setup ## format, lint, types, import rules and the audit of the packages, in about a minute
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/mypy --no-error-summary hack/audit/lockaudit
	@$(BIN)/mypy --no-error-summary hack/cluster/localcluster
	@$(BIN)/mypy --no-error-summary hack/crds/crdgen
	@$(BIN)/mypy --no-error-summary hack/chart/chartgen
	@$(BIN)/mypy --no-error-summary hack/monitoring/boards hack/monitoring/pictures
	@$(BIN)/mypy --no-error-summary hack/image/imagebuild
	@$(BIN)/mypy --no-error-summary hack/krew/krewplugin
	@$(BIN)/mypy --no-error-summary hack/telemetry/otlpload hack/telemetry/telemetrydemo hack/telemetry/telemetrystack
	@$(BIN)/mypy --no-error-summary examples/orders/orderstack hack/orders/orderhealing
	@$(BIN)/lint-imports --no-cache > .venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }
	@$(BIN)/python hack/audit --may-be-offline

audit: setup ## are the locked packages pinned by hashes, and is any known to be vulnerable? fails if PyPI does not say
	@$(BIN)/python hack/audit

crds: setup ## write the CRDs (crds) and their JSON schemas (schemas) from the models
	@$(BIN)/python hack/crds

chart: setup ## write the templates of the Helm chart (charts/prunella) from the manifests
	@$(BIN)/python hack/chart

dist: setup ## write into dist: the packaged chart, an install-OVERLAY.yaml for each overlay (IMAGE=REGISTRY/prunella), the kubectl plugin
	@$(BIN)/python hack/chart --dist dist $(if $(IMAGE),--image $(IMAGE))
	@$(BIN)/python hack/krew dist

package: setup ## build the Python packages into dist: prunella (wheel and source), and prunella-client (wheel)
	@$(BIN)/python -m hatchling build -d dist
	@cd client && ../$(BIN)/python -m hatchling build -t wheel -d ../dist

format: setup ## put the code into its format and fix what can be fixed
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

chaos: setup ## kill and stop every part at every point of many incidents and of the telemetry pipeline, and two storms, for up to three hours
	@env PRUNELLA_CHAOS_SEED=$${PRUNELLA_CHAOS_SEED:-$$(date +%s)} $(BIN)/python -m pytest -q -m chaos tests/chaos tests/integration/telemetry $(TEST_ARGS)

storm: setup ## 400 workloads break within two minutes on simulated nodes, and then 2,000: none lost or doubled, budgets held
	@$(BIN)/python -m pytest -q -m chaos tests/chaos/test_storm.py $(TEST_ARGS)

bench: setup ## measure: detection, memory and repair times (results go into docs/results/benchmarks.md)
	@$(BIN)/python tests/bench/run.py

benchmark: setup ## judge a healer by the fault suite: HEALER=none, restart-loop, rollout-undo, vpa, prunella or a program; CASES=short is quick
	@$(BIN)/python tests/benchmark --healer '$(HEALER)' --cases '$(CASES)'

docs: setup ## build the site of the documents into build/site; a link that leads nowhere is an error
	@env NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "docs: open build/site/index.html"

cluster: setup ## bring up the local cluster and say how to use it
	@$(BIN)/python hack/cluster up

cluster-down: setup ## remove every trace of the local cluster
	@$(BIN)/python hack/cluster down

image: setup ## build a container image and its bill of materials into dist, without Docker (LOCK=requirements-embedded.lock)
	@$(BIN)/python hack/image --lock $(LOCK)

lock: setup ## resolve the dependencies again
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --group dev --extra embedded --extra telemetry --generate-hashes --universal --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --constraint requirements.lock --generate-hashes --universal --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" -o requirements-image.lock
	@$(BIN)/uv pip compile client/pyproject.toml --constraint requirements.lock --generate-hashes --universal --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" -o requirements-client.lock
	@$(BIN)/uv pip compile pyproject.toml --extra embedded --constraint requirements.lock --generate-hashes --universal --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" -o requirements-embedded.lock
	@$(BIN)/uv pip compile pyproject.toml --extra telemetry --constraint requirements.lock --generate-hashes --universal --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" -o requirements-telemetry.lock
	@$(BIN)/uv pip compile pyproject.toml --group orders --constraint requirements.lock --generate-hashes --universal --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" -o requirements-orders.lock

clean: ## remove the virtual environment and caches (not the cached cluster binaries)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
