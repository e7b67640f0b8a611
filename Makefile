# Everything happens in .venv, made from a Python 3.10 to 3.12.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.10 || command -v python3)
BIN    := .venv/bin
RUN    ?= runs/demo

.PHONY: demo test check check-fast format wheel clean

demo: .venv/demo-ready  ## train cmt_nano on the digits, then validate the checkpoint in a second process
	$(BIN)/cmt train cmt_nano --recipe digits --data digits --out $(RUN) --overwrite
	$(BIN)/cmt validate $(RUN)/last.safetensors --data digits

test: .venv/dev-ready  ## all tests, then lint, types and the layer contract
	$(BIN)/python -m pytest
	$(MAKE) check

check: .venv/dev-ready  ## lint, types, layer contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

check-fast: .venv/dev-ready  ## the tests that need no framework: seconds
	$(BIN)/python -m pytest -m "not mindspore"

format: .venv/dev-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: .venv/dev-ready  ## dist/cmt_dsl-*.whl
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

.venv/demo-ready: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

.venv/dev-ready: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,dev]'
	@touch $@ .venv/demo-ready

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) --version): Python 3.10 to 3.12 is needed, make PYTHON=…"; exit 1; }
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv dist runs
