# make demo    watch an agent answer questions with the embedded model
# make test    run all tests
# make fuzz    feed the parser a hundred million ids, and compare it with openai-harmony ten thousand times
# make check   formatting, lint, types and import rules
# Each sets up what it needs in .venv, from the versions in constraints.txt.
#
# PYTHON=…     the interpreter to use (3.11 or later)
# PIP_FLAGS=…  more flags for pip; for a torch without CUDA on Linux:
#              PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"
# FUZZ_FACTOR=… how many times as much `make fuzz` tries as `make test`
# FUZZ_SEED=…   what it draws from: it is printed, and by default the time

PYTHON ?= python3
VENV ?= .venv
FUZZ_FACTOR ?= 100
FUZZ_SEED := $(or $(FUZZ_SEED),$(shell date +%s))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $(PIP_FLAGS)

QUESTIONS := \
	"What is 48271 * 9931?" \
	"How many r's are in strawberry?" \
	"What day of the week was July 20, 1969?" \
	"Sort these words: pear, apple, quince, fig" \
	"Convert 26.2 miles to km"

.PHONY: demo test fuzz check format build clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.runtime
	@for question in $(QUESTIONS); do \
		printf '\n\033[1m> %s\033[0m\n' "$$question"; \
		$(BIN)/ostinato run "$$question" || exit; \
	done

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

fuzz: $(VENV)/.dev
	$(BIN)/python -m pytest tests/harmony \
		--fuzz-factor=$(FUZZ_FACTOR) --fuzz-seed=$(FUZZ_SEED) --hypothesis-seed=$(FUZZ_SEED) \
		$(PYTEST_FLAGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

build: $(VENV)/.dev
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist src/*.egg-info

$(VENV)/.runtime: pyproject.toml constraints.txt setup.py $(wildcard engine/kernels/src/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or later is needed, not {sys.version.split()[0]}: make PYTHON=python3.11 …")'
	@echo "setting up $(VENV); the first time takes some minutes"
	@$(PYTHON) -m venv $(VENV) || { echo "no virtual environment could be made: apt-get install python3-venv"; exit 1; }
	$(PIP) --upgrade pip
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) --group dev
	@touch $@
