# make demo    live labels of a bundled recording: no microphone, data set or GPU needed
# make check   before each commit: ruff, mypy --strict and the unit tests
# make test    before each push: the same with all tests, and their branch coverage held
#
# The tiers of the tests, each alone: make unit, make integration, make training.
# On a slow machine STREAM_SER_TEST_STRETCH=4 multiplies every timeout of theirs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo check test lint unit integration training system clean

demo: $(VENV)/.runtime
	$(BIN)/stream-ser listen --input demo

check: lint unit

test: system lint
	$(BIN)/pytest --cov

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

unit integration training: $(VENV)/.dev
	$(BIN)/pytest -m $@

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python's venv module is missing. Debian: apt install python3-venv, then make again." >&2; exit 1; }

$(VENV)/.runtime: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.runtime

# Sound and a virtual microphone for the tests; installed where this user may, named where not.
SYSTEM := libportaudio2 libasound2-plugins pulseaudio pulseaudio-utils systemd
system:
	@missing=$$(for p in $(SYSTEM); do dpkg-query -W -f '$${Status}\n' $$p 2>/dev/null | grep -q '^install ok' || echo $$p; done); \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; \
	else echo "Tests that need them will be skipped; install:" $$missing; fi

clean:
	rm -rf $(VENV)
