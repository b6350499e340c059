# Needs Python 3.11, 3.12 or 3.13 and make; the rest is installed into $(VENV), with checked hashes. With a C compiler
# and Python's headers what an alert passes through is compiled, else Python and numpy do the same at less than a third of the speed.

# PYTHON=python3.12 names another Python; it gets an environment of its own.
VENV ?= .venv$(if $(PYTHON),-$(notdir $(PYTHON)))
IN = $(VENV)/bin
INSTALL = $(IN)/python -m pip install --quiet --disable-pip-version-check --no-input
FLAGS =

.PHONY: help demo serve test lint check fmt pure compile lock bench data picture fuzz kafka clean
.DEFAULT_GOAL := help

help:  ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-7s  %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.road  ## replay the example and draw its report: demo/report/index.html
	@mkdir -p demo
	$(IN)/python -m grouping replay data/demo.jsonl --out demo/decisions.jsonl --summary --report demo/report

serve: $(VENV)/.road  ## start the live service on 127.0.0.1:8080, its state in state/; FLAGS hands options over
	$(IN)/python -m grouping serve $(FLAGS)

test: $(VENV)/.dev $(VENV)/.road  ## run the tests; FLAGS="-k undo" hands options to pytest
	$(IN)/python -m pytest -n auto --dist loadgroup $(FLAGS)

lint: $(VENV)/.dev  ## look for mistakes without running anything
	$(IN)/ruff check .
	$(IN)/ruff format --check .
	$(IN)/mypy

check: lint test  ## lint and test: what a change must pass

fmt: $(VENV)/.dev  ## lay the code out
	$(IN)/ruff format .
	$(IN)/ruff check --fix-only .

pure: $(VENV)/.dev $(VENV)/.road  ## run the sources as they stand, while you change them: nothing is compiled again
	@touch $(VENV)/.pure
	rm -f $(COMPILED)

compile:  ## the opposite of pure, and what a new environment begins with
	@rm -f $(VENV)/.pure $(VENV)/.road
	@$(MAKE) $(VENV)/.road

bench: $(VENV)/.bench $(VENV)/.road  ## measure speed and quality; FLAGS hands options over
	$(IN)/python -m benchmarks $(FLAGS)

data: $(VENV)/.road  ## make the samples in data/ and the examples in docs/ again
	$(IN)/python -m data.make

picture: $(VENV)/.road  ## draw docs/report.png again, from the demo; needs Chromium
	$(IN)/python -m data.picture

fuzz: $(VENV)/.fuzz $(VENV)/.road  ## throw bytes at the door and at the formats, a minute each; FLAGS="-max_total_time=600" for longer
	$(IN)/python -m tests.fuzz.fuzz_parse $(or $(FLAGS),-max_total_time=60)
	$(IN)/python -m tests.fuzz.fuzz_formats $(or $(FLAGS),-max_total_time=60)

kafka: build/kafka/libs/.all  ## fetch the jars of a Kafka broker for the tests; needs Maven, and Java to run them

build/kafka/libs/.all: tests/kafka/pom.xml
	mvn -q -B -f tests/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/build/kafka/libs \
		-DincludeScope=runtime
	@touch $@

# One version of each package for every Python, so that they all compute the same; only where a
# package left an old Python behind (atheris) do the versions differ.
UV ?= uv
TRIED = --extra dev --extra kafka --extra river --extra otlp --extra sns
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links $(FLAGS)

lock:  ## renew requirements/*.txt, with uv; FLAGS=--upgrade takes newer versions
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: pip install uv, or UV=path/to/uv" >&2; exit 1; }
	$(COMPILE) --fork-strategy fewest pyproject.toml requirements/build.in $(TRIED) -o requirements/dev.txt
	$(COMPILE) --fork-strategy fewest pyproject.toml requirements/build.in \
		-c requirements/dev.txt -o requirements/run.txt
	$(COMPILE) --fork-strategy fewest requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) --fork-strategy fewest pyproject.toml --extra kafka --extra otlp --extra sns \
		-c requirements/dev.txt -o requirements/image.txt
	$(COMPILE) --fork-strategy fewest pyproject.toml requirements/build.in $(TRIED) --extra bench \
		-c requirements/dev.txt -o requirements/bench.txt
	$(COMPILE) pyproject.toml requirements/build.in $(TRIED) --extra fuzz \
		-c requirements/dev.txt -o requirements/fuzz.txt

SOURCES = $(wildcard grouping/*.py grouping/learners/*.py)
COMPILED = $(filter-out grouping/_kernel%,$(wildcard grouping/*.so grouping/learners/*.so))

clean:  ## remove what was made here, environments included; not state/
	rm -rf .venv .venv-* build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info grouping/*.so grouping/learners/*.so
	find grouping benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +

# -- the environment: one stamp per lock, each on top of the one before

PYTHONS = $(or $(PYTHON),python3 python3.13 python3.12 python3.11)
SUITABLE = import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

$(VENV)/.run: requirements/run.txt
	@if ! $(IN)/python -m pip --version >/dev/null 2>&1; then \
		found=; without=; \
		for python in $(PYTHONS); do \
			"$$python" -c '$(SUITABLE)' 2>/dev/null || continue; \
			if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then found=$$python; break; fi; \
			without="$$without $$python"; \
		done; \
		if [ -n "$$found" ]; then \
			echo "$$found -m venv $(VENV)"; rm -rf $(VENV); "$$found" -m venv $(VENV); \
		elif [ -n "$$without" ]; then \
			echo "No venv module in$$without: install it (Debian, Ubuntu: apt-get install python3-venv)." >&2; exit 1; \
		else \
			echo "No Python 3.11, 3.12 or 3.13 under the names $(PYTHONS): install one," \
				"or say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; \
		fi; \
	fi
	$(INSTALL) --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/.road: $(VENV)/.run pyproject.toml setup.py grouping/_kernel.c $(if $(wildcard $(VENV)/.pure),,$(SOURCES))
	$(INSTALL) --no-build-isolation --no-deps --editable .
	@find grouping -name '_road*.so' -exec touch {} + # what nothing has changed in is not written again
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	$(INSTALL) --require-hashes -r requirements/bench.txt
	@touch $@

$(VENV)/.fuzz: requirements/fuzz.txt $(VENV)/.dev
	$(INSTALL) --require-hashes -r requirements/fuzz.txt
	@touch $@
