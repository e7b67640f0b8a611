# Everything happens in .venv, made from a Python 3.10 to 3.12.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.10 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
PINNED ?= --constraint constraints.txt
RUN    ?= runs/demo

.PHONY: demo test test-newest check check-fast format wheel constraints clean

demo: $(VENV)/demo-ready  ## train cmt_nano on the digits, then validate the checkpoint in a second process
	$(BIN)/cmt train cmt_nano --recipe digits --data digits --out $(RUN) --overwrite
	$(BIN)/cmt validate $(RUN)/last.safetensors --data digits

test: check  ## lint, types and the layer contract, then all tests; gets a browser for those of the pages
	$(BIN)/python -m tests.browsers
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-newest:  ## the same with the newest versions that pyproject.toml allows, in an environment of its own
	$(MAKE) test VENV=.venv-newest PINNED=

check: $(VENV)/dev-ready  ## lint, types, layer contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

check-fast: $(VENV)/dev-ready  ## the tests that need no framework: seconds
	$(BIN)/python -m pytest -m "not mindspore"

format: $(VENV)/dev-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(VENV)/dev-ready  ## dist/cmt_dsl-*.whl
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

constraints: $(VENV)/dev-ready  ## constraints.txt anew: the newest versions that fit together, for each Python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 --extra demo --extra dev \
	  --no-header --no-annotate --output-file constraints.txt pyproject.toml

$(VENV)/demo-ready: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PINNED) --editable '.[demo]'
	@touch $@

$(VENV)/dev-ready: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PINNED) --editable '.[demo,dev]'
	@touch $@ $(VENV)/demo-ready

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) --version): Python 3.10 to 3.12 is needed, make PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf .venv .venv-newest dist runs
