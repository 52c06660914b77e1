# Every target makes its own .venv on a bare machine with Python 3.11 or 3.12. No root needed.
#   make demo ARGS="--duration 30 --json"      make test ARGS="-k outbox"
#   make PYTHON=/path/to/python3.12 test       another Python for a new .venv

.PHONY: help demo test check format bench pins clean
.DELETE_ON_ERROR:

ARGS ?=
TEST_PROCESSES ?= 2
export PYTHON

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

demo: .venv/.has-all ## Run everything on this machine: broker, meters, agents, cloud, store
	@.venv/bin/wattline demo $(ARGS)

test: .venv/.has-dev ## Run the tests, with real servers where they are or can be installed
	@.ci/servers .venv/servers-install.log
	@.venv/bin/pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(ARGS)

check: .venv/.has-dev ## Lint, formatting, types, directions of imports
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: .venv/.has-dev ## Format the code and mend what ruff can mend
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

bench: .venv/.has-dev ## Measure the edge agent, the ingest path and a run over a survey
	@.ci/servers .venv/servers-install.log
	@.venv/bin/wattline bench edge $(ARGS)
	@.venv/bin/wattline bench ingest $(ARGS)
	@.venv/bin/wattline bench batch $(ARGS)

pins: .venv/.has-dev ## Resolve requirements/*.txt anew
	@requirements/pin .venv/bin/python

clean: ## Remove the environment and the caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/.has-all: requirements/build.txt requirements/all.txt pyproject.toml
	@.ci/venv all

.venv/.has-dev: requirements/build.txt requirements/dev.txt pyproject.toml
	@.ci/venv dev
