# make demo    live labels of a bundled recording: no microphone, data set or GPU needed
# make wheel   what is installed from, in dist/
# make check   before each commit: ruff, mypy --strict and the unit tests
# make test    before each push: the same with all tests, and their branch coverage held
#
# The tiers of the tests, each alone: make unit, make integration, make training.
# On a slow machine STREAM_SER_TEST_STRETCH=4 multiplies every timeout of theirs.

SHELL := bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Which ONNX Runtime: the extra [gpu] of pyproject.toml where an NVIDIA driver is, else [cpu]; make demo RUNTIME=cpu chooses.
ifndef RUNTIME
RUNTIME := $(shell [ "$$(uname -m)" = x86_64 ] && { [ -e /proc/driver/nvidia/version ] || nvidia-smi -L >/dev/null 2>&1; } \
             && echo gpu || echo cpu)
endif
ifeq ($(filter $(RUNTIME),cpu gpu),)
$(error RUNTIME is $(RUNTIME); it must be cpu or gpu)
endif
SIZE_cpu := about 55 MB to download, 230 MB on disk
SIZE_gpu := about 1.6 GB to download (CUDA and cuDNN), 2.6 GB on disk

PIP := $(BIN)/python -m pip --disable-pip-version-check
# Of pip's report, the packages of a megabyte and more as they come; errors and warnings are not filtered.
PROGRESS := sed -u -nE -e 's/^ *(Downloading|Using cached) ([^ ]*-[0-9][^-]*)-.* (\([0-9.]+ MB\)).*/  \2 \3/p' \
              -e 's/^(Installing collected packages).*/\1 .../p'
# The two distributions of ONNX Runtime share a folder: the one that goes takes files of the other along. So both go first.
INSTALL = set -o pipefail; rm -f $(VENV)/.runtime-* $(VENV)/.dev-*; \
  $(PIP) uninstall --quiet --yes onnxruntime onnxruntime-gpu 2>/dev/null; \
  $(PIP) install --progress-bar off --constraint constraints.txt --editable

.PHONY: demo check test lint unit integration training system wheel clean

demo: $(VENV)/.runtime-$(RUNTIME)
	$(BIN)/stream-ser listen --input demo

check: lint unit

test: system lint
	$(BIN)/pytest --cov

lint: $(VENV)/.dev-$(RUNTIME)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

unit integration training: $(VENV)/.dev-$(RUNTIME)
	$(BIN)/pytest -m $@

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python's venv module is missing. Debian: apt install python3-venv, then make again." >&2; exit 1; }

$(VENV)/.runtime-$(RUNTIME): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing stream-ser with [$(RUNTIME)] into $(VENV): $(SIZE_$(RUNTIME))."
	@$(INSTALL) '.[$(RUNTIME)]' | $(PROGRESS)
	@echo "Installed: $(VENV) is $$(du -sh $(VENV) | cut -f1)."
	@touch $@

$(VENV)/.dev-$(RUNTIME): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing stream-ser with [$(RUNTIME),dev] into $(VENV): $(SIZE_$(RUNTIME));"
	@echo "training, bridges and tools: about 0.8 GB more to download, 2.7 GB more on disk."
	@$(INSTALL) '.[$(RUNTIME),dev]' | $(PROGRESS)
	@echo "Installed: $(VENV) is $$(du -sh $(VENV) | cut -f1)."
	@touch $@ $(VENV)/.runtime-$(RUNTIME)

# Sound and a virtual microphone for the tests; installed where this user may, named where not.
SYSTEM := libportaudio2 libasound2-plugins pulseaudio pulseaudio-utils systemd
system:
	@missing=$$(for p in $(SYSTEM); do dpkg-query -W -f '$${Status}\n' $$p 2>/dev/null | grep -q '^install ok' || echo $$p; done); \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing system packages that the tests need, as root:" $$missing; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; \
	else echo "Tests that need them will be skipped; install:" $$missing; fi

wheel: $(VENV)/.dev-$(RUNTIME)
	$(BIN)/python -m build

clean:
	rm -rf $(VENV)
