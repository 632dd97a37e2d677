# Orgdesk's commands. `make` alone explains them.

PORT ?= 8000
SANDBOX_PORT ?= 9100
PYTHON ?=
TESTS ?=
# Tests wait as much as they work, so there are more processes than cores; 0 runs them in one. Each begins with a
# stretch of its own (worksteal), so that those that wait for workers run beside those that do not.
PYTEST_WORKERS ?= 3

VENV := .venv/bin
INSTALLED := .venv/.installed

export UV_PYTHON_DOWNLOADS := never
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help install demo reset manage test check format openapi bench chaos backfill

help: ## Explain these commands
	@printf 'Orgdesk\n\n'
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'
	@printf '\nIt needs Python 3.11 or 3.12 on Linux x86_64; the rest is installed into .venv.\n'

install: $(INSTALLED) ## Make .venv from the lock, and nothing else
	@echo ".venv holds what the lock names."

$(INSTALLED): bin/install pyproject.toml uv.lock
	@bin/install

demo: $(INSTALLED) ## Run the whole portal here with made-up providers (PORT=8000 SANDBOX_PORT=9100)
	@$(VENV)/python -m portal.demo start --port '$(PORT)' --sandbox-port '$(SANDBOX_PORT)'

reset: $(INSTALLED) ## Forget the demo's data: the next start begins anew
	@$(VENV)/python -m portal.demo reset

manage: $(INSTALLED) ## Run a management command in the demo's surroundings (DO="verify_audit")
	@ORGDESK_DEMO=1 $(VENV)/python manage.py $(DO)

test: $(INSTALLED) ## Run the whole suite, browser journeys where Chromium is found (TESTS="tests/portal -k demo")
	@$(VENV)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal $(TESTS)

check: $(INSTALLED) ## Lint, format, templates, types, import contracts, missing migrations
	@bin/check

format: $(INSTALLED) ## Put the code into its format
	@$(VENV)/ruff check --fix --quiet . ; $(VENV)/ruff format .

openapi: $(INSTALLED) ## Write docs/openapi.yaml anew, after a change to the API
	@ORGDESK_DEMO=1 $(VENV)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

bench: $(INSTALLED) ## Measure against floors and peers: one JSON line a figure
	@$(VENV)/python -m bench

chaos: $(INSTALLED) ## Kill workers, Redis and the providers under faults; count what is lost or doubled (N=300)
	@$(VENV)/python -m bench.chaos

backfill: $(INSTALLED) ## Read thirteen months through 429s with killed workers; compare every day (SIZE=medium)
	@$(VENV)/python -m bench.backfill
