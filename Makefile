# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete

.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make the virtual environment with everything in it

$(STAMP): requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@

demo: setup ## Serve the sample shop and make a picture of its cart (ONCE=1: end after it)
	$(BIN)/python -m imagegenservice.demo $(if $(ONCE),--once)

run: setup ## Serve with the settings of the environment
	$(BIN)/python -m imagegenservice

test: setup ## Run the whole test suite
	$(BIN)/python -m pytest

crash: setup ## Kill and stop the service at every named point (ROUNDS=200, SEED=…, STORES=sqlite,firestore)
	PYTHONPATH=.:tests:tests/crash $(BIN)/python tests/crash/run.py --rounds $(or $(ROUNDS),200) $(if $(SEED),--seed $(SEED)) $(if $(STORES),--stores $(STORES))

overload: setup ## Order ten times more than can be drawn, for 30 seconds, and print the figures
	OVERLOAD_SECONDS=30 $(BIN)/python -m pytest -q -s tests/server/test_overload.py

bench: setup ## Measure speed and memory, as docs/speed.md tells (ONLY=status,upload: some rows)
	PYTHONPATH=.:tests $(BIN)/python -m benchmarks --only '$(ONLY)'

lint: setup ## Look for faults without running anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/yamllint --strict .
	$(BIN)/python protos/generate.py --check
	PYTHONPATH=. $(BIN)/python docs/settings_table.py --check
	$(BIN)/python docs/chart_table.py --check

type: setup ## Check the types
	$(BIN)/mypy

format: setup ## Lay the code out
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

proto: setup ## Generate imagegenservice/pb from protos/
	$(BIN)/python protos/generate.py

docs: setup ## Write the READMEs' tables of settings and values anew
	PYTHONPATH=. $(BIN)/python docs/settings_table.py
	$(BIN)/python docs/chart_table.py

lock: setup ## Compile requirements*.in, for Python 3.11 and newer
	$(BIN)/uv pip compile $(LOCK) requirements.in -o requirements.txt
	$(BIN)/uv pip compile $(LOCK) requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile $(LOCK) --no-deps requirements-tools.in -o requirements-tools.txt
	$(BIN)/uv pip compile $(LOCK) requirements-checkov.in -o requirements-checkov.txt

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $(if $(UPGRADE),--upgrade)

# The image. Its whole name, because engines differ in what they put before a short one, and a cluster
# looks the manifests' short one up below docker.io/library.
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
NAME := imagegenerationservice
IMAGE = docker.io/library/$(NAME):$(VERSION)
# docker when its daemon answers, else podman, else buildah.
ENGINE = $(shell docker info >/dev/null 2>&1 && echo docker || command -v podman || command -v buildah || echo docker)
# Only docker's own format keeps the HEALTHCHECK.
BUILD = build $(if $(filter docker,$(notdir $(ENGINE))),,--format docker) \
	--label org.opencontainers.image.revision=$(shell git rev-parse HEAD 2>/dev/null || echo unknown)
PUSHED = $(REGISTRY)/$(NAME)

image: ## Build the image with docker, podman or buildah
	$(ENGINE) $(BUILD) --tag $(IMAGE) .

image-test: setup image ## Build the image, start it as a cluster would, and look into it
	ENGINE=$(ENGINE) IMAGE=$(IMAGE) $(BIN)/python -m pytest -q tests/deploy/test_image_built.py

kind-load: image ## Put the image into a local cluster (CLUSTER=kind)
	mkdir -p build && rm -f build/image.tar
	$(if $(filter buildah,$(notdir $(ENGINE))),$(ENGINE) push $(IMAGE) docker-archive:build/image.tar:$(IMAGE),$(ENGINE) save --output build/image.tar $(IMAGE))
	kind load image-archive build/image.tar --name $(or $(CLUSTER),kind)

push: ## Publish the image (REGISTRY=…, PLATFORMS=linux/amd64,linux/arm64), and say how to deploy it
	@test -n "$(REGISTRY)" || { echo "say where to: make push REGISTRY=europe-docker.pkg.dev/PROJECT/REPOSITORY"; exit 2; }
ifeq ($(PLATFORMS),)
	$(MAKE) --no-print-directory image
	$(ENGINE) tag $(IMAGE) $(PUSHED):$(VERSION)
	$(ENGINE) push $(PUSHED):$(VERSION)
else
	$(if $(filter docker,$(notdir $(ENGINE))),\
	  $(ENGINE) buildx $(BUILD) --platform $(PLATFORMS) --tag $(PUSHED):$(VERSION) --push .,\
	  $(ENGINE) $(BUILD) --platform $(PLATFORMS) --manifest $(PUSHED):$(VERSION) . && \
	  $(ENGINE) manifest push --all $(PUSHED):$(VERSION) docker://$(PUSHED):$(VERSION))
endif
	@printf '%s\n' \
	  '' 'Helm:' \
	  '  --set imageGenerationService.image.repository=$(PUSHED) --set imageGenerationService.image.tag=$(VERSION)' \
	  '' 'Kustomize:' \
	  'images:' '  - name: $(NAME)' '    newName: $(PUSHED)' '    newTag: "$(VERSION)"'

clean: ## Remove what was made
	rm -rf $(VENV) data build .mypy_cache .ruff_cache .pytest_cache demo-picture.*

.PHONY: help setup demo run test crash overload bench lint type format proto docs lock image image-test kind-load push clean
