# Everything that a person or a machine does with this source. `make` alone lists it.
# Standard output belongs to the program that runs; setup talks on standard error.

PYTHON ?= python3
VENV   ?= .venv
OUT    ?= demo-out
BENCH  ?= exchange --seconds 20 --json
PEERS  ?= --rounds 3 --seconds 15
TESTS  ?= tests
MINUTES ?= 90

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-once test lint types contracts check bench peers campaign vectors errors lock clean

BIN := $(VENV)/bin
RUN := $(VENV)/.run
DEV := $(VENV)/.dev
COMPILED := $(VENV)/.compiled

help:
	@echo "rogatory: make TARGET"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 14
	@echo
	@echo "Choose the interpreter with PYTHON=/path/to/python3 (3.11 or newer; default: $(PYTHON))."

setup: $(DEV) $(COMPILED) ## make .venv with everything that the other targets need

demo: $(COMPILED) ## see everything work: three authorities on this machine
	@$(BIN)/rogatory demo

demo-once: $(COMPILED) ## the same without questions; proofs go to OUT=DIR, the last line is JSON
	@$(BIN)/rogatory demo --once --out "$(OUT)" --json

test: $(DEV) $(COMPILED) ## run the tests, or some: TESTS=tests/protocol
	@$(BIN)/python -m pytest -q $(TESTS)

lint: $(DEV) ## ruff: style and banned calls
	@$(BIN)/ruff check .

types: $(DEV) ## mypy: strict types
	@$(BIN)/mypy

contracts: $(DEV) ## import-linter: who may import whom
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

check: lint types contracts test ## all four

bench: $(COMPILED) ## measure this machine: BENCH="exchange --seconds 20 --json"
	@$(BIN)/rogatory bench $(BENCH)

peers: $(COMPILED) ## measure real peers beside it, in turn: PEERS="--rounds 3 --seconds 15"
	@bench/peers/setup.sh $(PYTHON) .peers
	@$(BIN)/python bench/peers/run.py --peers .peers --rogatory $(BIN)/rogatory $(PEERS)

campaign: $(DEV) $(COMPILED) ## look for mistakes for MINUTES=90, and write to docs/campaigns.md what was tried
	@$(BIN)/python -m tests.faults.campaign --minutes $(MINUTES)

vectors: $(DEV) $(COMPILED) ## write the test vectors again; they must not change
	@for one in tests/vectors/generate*.py; do $(BIN)/python -m "tests.vectors.$$(basename "$$one" .py)"; done
	@git diff --stat --exit-code -- tests/vectors

errors: $(DEV) $(COMPILED) ## write docs/errors.md from the codes
	@$(BIN)/python -m tests.tidy.errors > docs/errors.md.new && mv docs/errors.md.new docs/errors.md

lock: ## resolve the dependencies anew and write requirements*.txt
	@deploy/lock.sh $(PYTHON)

clean: ## remove what make made
	rm -rf $(VENV) .lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f protocol/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN): requirements.txt requirements-build.txt pyproject.toml deploy/setup.sh
	@deploy/setup.sh $(PYTHON) $(VENV) requirements.txt requirements-build.txt
	@touch $@

# After every change of the source: what is compiled goes before what is written.
$(COMPILED): $(RUN) deploy/compile.py $(wildcard protocol/*.py)
	@$(BIN)/python deploy/compile.py
	@touch $@

$(DEV): requirements-dev.txt $(RUN)
	@deploy/setup.sh $(PYTHON) $(VENV) requirements-dev.txt
	@touch $@
