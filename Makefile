# Everything one does with this project. Needs python3 (3.11 or newer), make and a package registry; nothing else.

PYTHON ?= python3
VENV   ?= .venv
PEERS  ?= .venv-peers
BROWSE ?= .venv-browser
CITY   ?= quzhou_sample
UV     ?= uv

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet

export PYTHONPATH := $(CURDIR)/plugins
# No tool reports anything to anybody. The list is TELEMETRY_OFF of plugins/citycheck/local_airflow.py.
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export GX_ANALYTICS_ENABLED := false
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED := False

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo up down test test-dbt test-cities test-airflow test-faults test-browser test-fast bench-feeds bench-access bench-graphs bench-index bench-whatif bench-page bench-api bench-siting bench-pools docs lint format lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/runtime.stamp ## Install what runs need into .venv
setup-dev: $(VENV)/dev.stamp ## Install what tests and lints need besides

demo: setup ## Airflow runs two half-years of the embedded city and prints the result; CITY=tainan for a real one
	@$(PY) -m citycheck demo --city $(CITY)

up: setup ## Start Airflow and its UI, and leave them running
	@$(PY) -m citycheck up --city $(CITY)

down: setup ## Stop what `make up` started
	@$(PY) -m citycheck down

test: setup-dev ## Run all tests but those of the targets below
	$(PY) -m pytest -m "not dbt and not cities and not faults and not airflow"

test-dbt: setup-dev ## Run the tests that build the dbt project on small cities
	$(PY) -m pytest -m dbt

test-cities: setup-dev ## Run the tests that take whole cities from source to release
	$(PY) -m pytest -m cities

test-airflow: setup-dev ## Run the tests in which people answer a running Airflow
	$(PY) -m pytest -m airflow -p no:randomly

test-faults: setup-dev ## Kill publish and every other step, fill the disk, move the clock: what was tried, survived, lost
	$(PY) -m pytest -m faults -p no:randomly

test-browser: setup-dev $(BROWSE)/browser.stamp ## Walk the pages as people do, in the system's Chromium (installed where it is missing)
	$(BROWSE)/bin/python -m pytest -c tests/browser/pytest.ini tests/browser

test-fast: setup-dev ## Run the tests that take no more than a moment
	$(PY) -m pytest -m "not slow"

bench-feeds: setup ## Time a large delivery from CSV to the lake; ROWS=10000000 for the largest
	@$(PY) bench/feeds.py $(ROWS)

bench-access: setup $(PEERS)/peers.stamp ## Time who reaches what beside geopandas, PostGIS, pandana …; QUICK=1 for a 50th; PARTS="circles growth"
	@$(PY) -m bench.access --peers $(PEERS)/bin/python $(if $(filter 1,$(QUICK)),--quick) $(if $(PARTS),--parts $(PARTS)) $(if $(JSON),--json $(JSON))

bench-graphs: $(PEERS)/peers.stamp ## Time the libraries that were weighed for walking distances; NODES="100000 1000000"
	@$(PEERS)/bin/python bench/graph_libraries.py $(NODES)

bench-index: setup $(PEERS)/peers.stamp ## Time thousands of draws around an index beside pandas and SALib; QUICK=1 for a tenth
	@$(PY) -m bench.index --peers $(PEERS)/bin/python $(if $(filter 1,$(QUICK)),--quick) $(if $(JSON),--json $(JSON))

bench-siting: setup $(PEERS)/peers.stamp ## Time where to build beside spopt and PuLP: the same optimum, how long
	@$(PY) -m bench.siting --peers $(PEERS)/bin/python

bench-whatif: setup ## Time what-if questions of a released half-year; HOME_DIR=var is where `make demo` left one
	@$(PY) -m bench.whatif $(if $(HOME_DIR),$(HOME_DIR),var) $(if $(JSON),--json $(JSON))

bench-pools: setup-dev ## Retell the projects of a home over its half-years and compare; HOME_DIR=var by default
	@$(PY) -m bench.pools $(or $(HOME_DIR),var) --city $(CITY)

bench-page: setup ## Time the first view of a release page in a cold browser, as released and with 6,000 communities
	@$(PY) -m bench.page $(if $(JSON),--json $(JSON))

bench-api: setup ## Time the HTTP interface behind Airflow's login: percentiles and answers a second; LARGE=1 for 6,000 communities
	@$(PY) -m bench.api $(if $(filter 1,$(LARGE)),--large) $(if $(JSON),--json $(JSON))

lint: setup-dev ## Check style (ruff, sqlfluff) and types (mypy)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m sqlfluff lint --disable-progress-bar dbt_project/models
	$(PY) -m mypy plugins/citycheck

docs: setup ## Write docs/method.md, in both languages, from the standard's seeds
	@$(PY) -m citycheck method

format: setup-dev ## Bring Python files into the style that `make lint` checks
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

lock: ## Resolve requirements*.in again into the locks (needs uv); UPGRADE=--upgrade for newer versions
	$(UV) pip compile $(RESOLVE) requirements.in --output-file requirements.lock
	$(UV) pip compile $(RESOLVE) requirements-dev.in --output-file requirements-dev.lock
	$(UV) pip compile $(RESOLVE) bench/requirements-peers.in --output-file bench/requirements-peers.lock
	$(UV) pip compile $(RESOLVE) tests/browser/requirements.in --output-file tests/browser/requirements.lock

# One resolution for Python 3.11 and every later one; wheels only; no name of a registry gets in.
RESOLVE = --quiet --universal --python-version 3.11 --no-build --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(UPGRADE)

clean: ## Remove what runs and tests have made, releases included (not .venv*)
	@if [ -f var/airflow/processes.json ] && [ -x $(PY) ]; then $(PY) -m citycheck down; fi
	rm -rf var .pytest_cache .mypy_cache .ruff_cache .hypothesis dbt_project/target dbt_project/logs logs
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -not -path './$(PEERS)/*' -not -path './$(BROWSE)/*' -prune -exec rm -rf {} +

# A stamp per lock: a changed lock is installed by the next command that needs it.
$(VENV)/runtime.stamp: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "citycheck needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Say which: make PYTHON=python3.12 ...")'
	@echo "Installing into $(VENV): once, one to two minutes …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes --no-deps -r requirements.lock
	@$(PIP) check
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s" -m citycheck "$$@"\n' '$(CURDIR)/plugins' '$(CURDIR)/$(PY)' > $(VENV)/bin/citycheck && chmod +x $(VENV)/bin/citycheck
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/runtime.stamp
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@$(PIP) check
	@touch $@

# The benchmark's peers, and what drives a browser: each apart from everything else.
$(PEERS)/peers.stamp: bench/requirements-peers.lock $(VENV)/runtime.stamp
	@echo "Installing the peers into $(PEERS): once, a minute …"
	@$(call apart,$(PEERS),$<)
	@touch $@

$(BROWSE)/browser.stamp: tests/browser/requirements.lock
	@$(call apart,$(BROWSE),$<)
	@$(BROWSE)/bin/python tests/browser/chromium.py
	@touch $@

apart = $(PYTHON) -m venv $(1) && $(1)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps -r $(2) \
	&& $(1)/bin/python -m pip --disable-pip-version-check check
