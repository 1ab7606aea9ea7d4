# Every command a person needs. Each does its own set-up; `make` lists them.
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed

.PHONY: help demo demo-train docs test check test-robustness test-gpu clean
help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dig-bench needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(INSTALLED) ## sweep all four families at 256 and 512 px on the CPU, then write and name the report
	$(BIN)/dig-bench sweep --preset demo --device cpu --out demo-results/demo
	$(BIN)/dig-bench report demo-results/demo --out demo-results/reports

demo-train: $(INSTALLED) ## train a nano DiG on digits on the CPU, generate images and score them, in under three minutes
	$(BIN)/dig-bench train --device cpu --out demo-results/digits
	$(BIN)/dig-bench sample demo-results/digits/last.safetensors --device cpu --images 200 --sampler ddim --sampler-steps 20 --out demo-results/digits
	$(BIN)/dig-bench fid digits demo-results/digits/images.npz --device cpu --output demo-results/digits/scores.json

docs: $(INSTALLED) ## build the documentation into site/; a broken link or any other warning fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

test: $(INSTALLED) ## run the tests; those that need a GPU or a browser are skipped where there is none
	$(BIN)/pytest --numprocesses auto --dist worksteal

check: $(INSTALLED) ## what CI runs: ruff, mypy, the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

test-robustness: $(INSTALLED) ## kill sweeps and workers a hundred times, in minutes
	$(BIN)/pytest -m robustness

test-gpu: ## run the GPU tests with the Python at hand, which has a CUDA build of torch
	$(PYTHON) -m pytest -m gpu tests/gpu

clean: ## remove the virtual environment, the demo's results and the built documentation
	rm -rf $(VENV) demo-results site
