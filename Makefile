# Two commands for a new machine: `make demo` and `make test`. Both set up what they need.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The phospho that was published before has the same import name, so it lives apart.
OLD    := .venv-old-phospho
PORT   ?= 8000
# A third of a test run waits for processes and sockets, so one more worker than cores pays off.
CORES   := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
WORKERS ?= $(shell expr $(CORES) + 1)

# The oldest versions of what phospho integrates, beside the newest of `test`.
OLDEST := .venv-oldest

# Apps that OpenTelemetry watches: their libraries do not get along with what tests need.
APPS := .venv-apps

.PHONY: demo test test-oldest apps lint docs schema setup bench serve clean

demo: $(VENV)/.demo
	@$(BIN)/phospho demo --port $(PORT)

test: $(VENV)/.dev $(OLD)/.test $(APPS)/.apps
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-oldest: $(OLDEST)/.test
	# What old releases warn of was repaired in newer ones.
	$(OLDEST)/bin/python -m pytest -n $(WORKERS) -W default tests/integrations tests/detectors/test_onnx_encoder.py $(ARGS)

apps: $(APPS)/.apps

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py

schema: $(VENV)/.dev
	$(BIN)/python -m phospho_server.migrations.newest

setup: $(VENV)/.dev

bench: $(VENV)/.bench $(OLD)/.bench
	$(BIN)/python benchmarks/client.py --old-phospho $(OLD)/bin/python $(ARGS)
	$(BIN)/python benchmarks/event_loop.py
	$(BIN)/python benchmarks/outage.py
	$(BIN)/python benchmarks/streaming.py
	$(BIN)/python benchmarks/server.py

serve: $(VENV)/.demo
	$(BIN)/phospho serve --port $(PORT)

clean:
	rm -rf $(VENV) $(OLD) $(OLDEST) $(APPS)

$(VENV)/bin/python:
	@PYTHON="$(PYTHON)" sh .ci/make-venv $(VENV)

$(VENV)/.demo: pyproject.toml $(VENV)/bin/python
	@echo "Installing phospho and what it needs into $(VENV); this takes about 20 seconds."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[server,semantic,language]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/bin/python
	@echo "Installing phospho, its tests and tools into $(VENV); this takes about 30 seconds."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[server,semantic,language]' --group dev
	@touch $@ $(VENV)/.demo

$(OLDEST)/.test: pyproject.toml
	@echo "Installing the oldest versions that phospho integrates into $(OLDEST)."
	@test -x $(OLDEST)/bin/python || PYTHON="$(PYTHON)" sh .ci/make-venv $(OLDEST)
	@$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[server]' --group oldest
	@touch $@

$(APPS)/.apps: pyproject.toml
	@echo "Installing apps that OpenTelemetry watches into $(APPS); this takes about 40 seconds."
	@test -x $(APPS)/bin/python || PYTHON="$(PYTHON)" sh .ci/make-venv $(APPS)
	@$(APPS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(APPS)/bin/python -m pip install --quiet --disable-pip-version-check --group apps
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	@echo "Installing the libraries phospho is measured beside into $(VENV)."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@touch $@

# Beside the old client, not with it: it imports both where it can, which takes seconds each time.
$(OLD)/.test: $(OLD)/.bench
	@$(OLD)/bin/python -m pip install --quiet --disable-pip-version-check --target $(OLD)/more openai pandas
	@touch $@

$(OLD)/.bench:
	@echo "Installing phospho 0.3.45 into $(OLD)."
	@PYTHON="$(PYTHON)" sh .ci/make-venv $(OLD)
	@$(OLD)/bin/python -m pip install --quiet --disable-pip-version-check phospho==0.3.45
	@touch $@
