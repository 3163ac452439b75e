# Linux and macOS; README.md and CONTRIBUTING.md spell the same steps out for Windows.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pip compiles every module there is, one after another; the scripts load few of them.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# A core that has no tests left takes some of another's: no long file keeps one waiting.
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal -q

# Where it is set, each of many processes compiles all that it loads anew.
export PYTHONDONTWRITEBYTECODE =

.PHONY: install install-dev demo test test-all lint gpu clean

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

$(VENV)/.installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	$(BIN)/python -c "import models.pretrained, utils.dataset.update, utils.evaluation.report"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(PIP) -r requirements-dev.txt
	touch $@

demo: install
	$(BIN)/python create_dataset.py --demo
	@$(BIN)/python launch_training_test.py --data-dir demo/DATASET --output-dir demo/runs \
		--model resnet18 --no-pretrained --batch-size 16 --workers 2 --epochs 6 --input-size 96

test: install-dev
	$(PYTEST) -m "not slow"

test-all: install-dev lint
	$(PYTEST)

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

gpu: install-dev
	$(BIN)/python -m benchmarks.speed.gpu

clean:
	rm -rf demo .pytest_cache .mypy_cache .ruff_cache
