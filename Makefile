# Two commands on a machine that has Python 3.11 or later: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Test processes side by side. More of them than cores pay, since many tests wait; fewer keep real time better.
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo contact-centre text-support test check bench docs pictures screenshots clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.ready ## run everything, let a call come in, show that both sides hear each other
	@$(BIN)/callrouter demo

contact-centre: $(VENV)/.ready-test ## the sample contact centre of examples/: menu, queues, agents in browsers, voicemail
	@$(BIN)/python examples/contact_centre/run.py

text-support: $(VENV)/.ready-test ## the sample support desk of examples/: phones write, agents answer in a page
	@$(BIN)/python examples/text_support/run.py

test: $(VENV)/.ready-test ## the tests; what needs a browser or PostgreSQL is skipped where that is missing
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/.ready-test ## style, types and import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.ready-test ## the benchmarks, each against a floor in the same run; BENCH=--quick for less exact ones
	@for name in calls messages presence presence_sockets voice voice_sounds voice_mixers voice_streams media console; do echo "== $$name"; $(BIN)/python -m benchmarks.$$name $(BENCH) || exit 1; done

docs: $(VENV)/.ready-test ## the reference pages that are made from the code
	@$(BIN)/python -m foundation.settings > docs/reference/settings.md
	@$(BIN)/python -m instructions.reference > docs/reference/twiml.md
	@$(BIN)/python -m callrouter.cli.reference > docs/reference/cli.md
	@$(BIN)/python -m callrouter.ladders.remedies > docs/reference/errors.md
	@$(BIN)/python -m callrouter.api.reference > docs/reference/rest.md
	@$(BIN)/python -m callrouter.scenario.reference > docs/reference/scenarios.md
	@$(BIN)/python -m tests.support.compatibility > docs/reference/compatibility.md
	@$(BIN)/python -m presence.api.description > docs/reference/presence.md
	@$(BIN)/python -m tests.support.requirements > docs/reference/requirements.md

pictures: $(VENV)/.ready ## the sequence pictures in docs/pictures, from the scenarios there, which are played for it
	@$(BIN)/python -m callrouter.scenario.pictures docs/pictures

screenshots: $(VENV)/.ready-test ## the pictures of the console in docs/screenshots, taken by Chromium
	@$(BIN)/python -m tests.browser.screenshots

clean: ## remove the virtual environment and everything that was made
	rm -rf $(VENV) var build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "callrouter needs Python 3.11 or later; name one with: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/.ready: $(VENV)/bin/python setup.cfg pyproject.toml
	@echo "installing callrouter into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[tts]'
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	@echo "installing the test tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@
