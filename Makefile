# RayProctor: the commands people use. `make` alone lists them.
SHELL := /bin/bash
PYTHON ?= python3.11
BIN := .venv/bin
SHARED := $(wildcard ../shared)
export RAY_USAGE_STATS_ENABLED := 0
export HF_HUB_OFFLINE := 1
ifneq ($(SHARED),)
export PROCTOR_MODELS_MIRROR ?= $(abspath ../shared/weights)
export PROCTOR_MEDIA ?= $(abspath ../shared/media)
endif

.PHONY: help setup models check test demo lock clean
help: ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*##/\t/' | expand -t 12

setup: .venv/.ready ## make .venv from the hash-pinned lock

.venv/.ready: requirements/cpu.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/cpu.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

models: setup ## fetch and verify the embedded model pack
	$(BIN)/proctor models fetch

check: setup ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: models ## every test that this machine can run
	$(BIN)/pytest --cov --cov-report=term

demo: models ## a scripted candidate over real WebRTC; alerts on the screen (KEEP=1 stays up, MEDIA=folder)
	$(BIN)/proctor demo $(if $(KEEP),--keep) $(if $(MEDIA),--media $(MEDIA))

lock: ## resolve both locks again (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements/cpu.lock
	uv pip compile pyproject.toml --extra gpu --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package onnxruntime --no-header -q -o requirements/gpu.lock

clean: ## remove what can be made again
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage
