# `make up` runs everything; `make test` proves it. Both need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(wildcard protos/rostra/v1/*.proto)
BUF := npx --yes @bufbuild/buf@1.75.0

.PHONY: install install-dev up test coverage mutants lint audit manual cli-reference stubs stubs-all wire manifests bench bench-report clean

# A stamp per extra, so that a second `make up` starts at once.
$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Rostra needs Python 3.11 or newer; set PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[arena]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[arena,dev]'
	touch $@

$(VENV)/.installed-mutation: $(VENV)/.installed-dev
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[arena,dev,mutation]'
	touch $@

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

up: install
	$(BIN)/rostra up $(ARGS)

# ARGS goes to pytest, for instance: make test ARGS='-m "not browser"', or ARGS=-n0 for one process.
test: install-dev
	scripts/ensure-chromium
	scripts/ensure-toolchains
	scripts/ensure-helm
	$(BIN)/pytest --numprocesses 2 $(ARGS)

# Branches that the tests take, by room. ARGS='--report --below 90' tells the last run's again.
coverage: install-dev
	$(BIN)/python scripts/coverage $(ARGS)

# Small changes of the code that no test notices. ARGS=blocks for one target.
mutants: $(VENV)/.installed-mutation
	$(BIN)/python scripts/mutate $(ARGS)

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	BIN=$(BIN) scripts/dead-code
	BIN=$(BIN) scripts/check-stubs
	$(BIN)/python scripts/cli-reference --check
	BIN=$(BIN) scripts/check-types
	BIN=$(BIN) scripts/audit-dependencies
	BIN=$(BIN) scripts/manual --no-diagrams
	cd protos && $(BUF) lint
	cd protos && $(BUF) breaking --against wire.binpb

# The manual as a site.
manual: install-dev
	BIN=$(BIN) scripts/manual

# The page of every command, after one has changed.
cli-reference: install-dev
	$(BIN)/python scripts/cli-reference

# Known vulnerabilities of what constraints.txt pins. Fails, too, where nobody can be asked.
audit: install-dev
	BIN=$(BIN) scripts/audit-dependencies --must-check

# Generated code is committed, so that installing needs no compiler of protos.
stubs: install-dev
	$(BIN)/python -m grpc_tools.protoc -Iprotos \
	  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy \
	  --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
	  --python_out=protos --grpc_python_out=protos --mypy_out=quiet:protos --mypy_grpc_out=quiet:protos $(PROTOS)
	$(BIN)/python scripts/proto-reference

# Stubs for other languages in stubs/; LANGUAGES='go java' makes these, or fails.
stubs-all: install-dev
	PATH="$(abspath $(BIN)):$$PATH" BUF="$(BUF)" scripts/stubs-all $(LANGUAGES)

# After an addition to the protos: it is on the wire from now on, and nothing of it may change.
wire: install-dev
	cd protos && $(BUF) breaking --against wire.binpb
	$(BIN)/python tests/wire/golden_file.py
	cd protos && $(BUF) build --as-file-descriptor-set --exclude-source-info -o wire.binpb

# The plain manifests, from the chart: for those who have no Helm.
manifests: install-dev
	scripts/ensure-helm
	scripts/kubernetes-manifests > deploy/kubernetes/manifests/rostra.yaml

# A few minutes. ARGS='--label before' keeps the results for the page that bench-report makes.
bench: install-dev
	$(BIN)/python -m benchmarks.short $(ARGS)

bench-report: install-dev
	$(BIN)/python -m benchmarks.report

clean:
	rm -rf $(VENV) build dist stubs *.egg-info clients/*/build clients/node/node_modules clients/node/src/generated
