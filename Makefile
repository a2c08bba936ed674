# RayProctor: the commands people use. `make` alone lists them.
SHELL := /bin/bash
PYTHON ?= python3.11
BIN := .venv/bin
FRAMEWORKS := .venv-frameworks
SHARED := $(wildcard ../shared)
PAGES := $(shell find web -type f -not -path "*/node_modules/*" -not -path "web/dist/*")
export RAY_USAGE_STATS_ENABLED := 0
export HF_HUB_OFFLINE := 1
export NPM_CONFIG_UPDATE_NOTIFIER := false
ifneq ($(SHARED),)
export PROCTOR_MODELS_MIRROR ?= $(abspath ../shared/weights)
export PROCTOR_MEDIA ?= $(abspath ../shared/media)
endif

.PHONY: help setup models web check test test-frameworks demo cluster-test generate lock chart client sbom audit clean
help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*##/\t/' | expand -t 18

setup: .venv/.ready ## make .venv from the hash-pinned lock

.venv/.ready: requirements/cpu.lock pyproject.toml sdk/pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the locked packages into .venv: about two minutes, once"
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/cpu.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e . -e ./sdk
	@touch $@

models: setup ## fetch and verify the embedded model pack
	$(BIN)/proctor models fetch

web: web/dist/index.html ## build the pages of web/ into web/dist

web/node_modules/.package-lock.json: .venv/.ready web/package.json web/package-lock.json
	cd web && PATH="$(abspath $(BIN)):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(PAGES)
	cd web && PATH="$(abspath $(BIN)):$$PATH" npm run --silent build -- --logLevel warn
	@touch $@

check: setup web/node_modules/.package-lock.json ## ruff, mypy --strict, import contracts; types and lint of the pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH="$$PYTHONPATH:sdk/src" $(BIN)/lint-imports
	cd web && PATH="$(abspath $(BIN)):$$PATH" npm run --silent check

test: models web ## every test that this machine can run
	cd web && PATH="$(abspath $(BIN)):$$PATH" npm run --silent test
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile -m "not ray and not e2e" --cov --cov-report=
	$(BIN)/pytest -m "ray or e2e" --cov --cov-append --cov-report=term

test-frameworks: models $(FRAMEWORKS)/.ready ## the tests that need torch, pyannote, Whisper, MediaPipe or insightface
	$(FRAMEWORKS)/bin/python -m pytest tests/models -m framework

# An environment that sees .venv and holds what its lock must not; a pip of its own would be an old one.
# While torch is installed pip names triton and torchcodec as missing: that is meant.
$(FRAMEWORKS)/.ready: .venv/.ready requirements/frameworks.lock
	@test -x $(FRAMEWORKS)/bin/python || $(PYTHON) -m venv --without-pip $(FRAMEWORKS)
	@$(FRAMEWORKS)/bin/python -c "import pathlib, sysconfig; own = sysconfig.get_path('purelib'); \
		pathlib.Path(own, 'product.pth').write_text(own.replace('$(FRAMEWORKS)', '.venv'))"
	$(FRAMEWORKS)/bin/python -m pip install --quiet --no-deps --no-build-isolation --require-hashes -r requirements/frameworks.lock
	$(FRAMEWORKS)/bin/python -m pip install --quiet torch==2.13.0
	@touch $@

demo: models web ## a scripted candidate over real WebRTC; alerts on the screen (KEEP=1 stays up, MEDIA=folder)
	$(BIN)/proctor demo $(if $(KEEP),--keep) $(if $(MEDIA),--media $(MEDIA))

# In namespaces of its own: `ray stop` would end every Ray that it sees, and no network of this host is used.
cluster-test: models web ## ray up on three machines of our own, serve deploy, an alert, ray down (needs root, sshd, rsync)
	unshare --pid --mount --net --fork --mount-proc --kill-child $(BIN)/python -m deployments.cluster_test

generate: setup ## write what is made from the code and committed: gRPC classes, the schema of alerts
	$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. --grpc_python_out=. proctor/api/proto/alerts.proto
	$(BIN)/python -m proctor.alerting.schema
	$(BIN)/python -m ops.watching
	$(BIN)/python -m ops.grafana.build

lock: ## resolve the locks again (needs uv)
	uv pip compile pyproject.toml --extra dev --extra bench --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements/cpu.lock
	cp requirements/cpu.lock requirements/image.lock  # uv keeps the pins that it finds
	uv pip compile pyproject.toml --extra aws --extra triton --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements/image.lock
	uv pip compile pyproject.toml --extra gpu --extra aws --extra triton --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package onnxruntime --no-header -q -o requirements/gpu.lock
	uv pip compile requirements/frameworks.in -c requirements/cpu.lock --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate $(addprefix --no-emit-package ,torch torchcodec triton opencv-python opencv-contrib-python) -q -o requirements/frameworks.lock

chart: setup ## put serve_config.yaml into the Helm chart, lint it and pack it into dist/
	cp serve_config.yaml ops/chart/rayproctor/files/serve_config.yaml
	$(BIN)/helm lint --strict ops/chart/rayproctor --values ops/chart/example.yaml
	$(BIN)/helm package --destination dist ops/chart/rayproctor

client: setup ## build the client's wheel and source archive into dist/client; TAG=client-vVERSION must be its own
	@test -z "$$TAG" || test "$$TAG" = "client-v$$(cd sdk && ../$(BIN)/hatchling version)" || { echo "TAG is not sdk's version" >&2; exit 2; }
	rm -rf dist/client
	cd sdk && ../$(BIN)/hatchling build --directory ../dist/client

sbom: setup ## the bill of materials of the image (CycloneDX) in dist/
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements requirements/image.lock --output-reproducible --output-format JSON -o dist/sbom.json

audit: setup web/node_modules/.package-lock.json ## known weaknesses of what the locks hold; needs the advisories' server
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements/image.lock
	cd web && PATH="$(abspath $(BIN)):$$PATH" npm audit --omit=dev

clean: ## remove what can be made again
	rm -rf .venv $(FRAMEWORKS) web/node_modules web/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage
