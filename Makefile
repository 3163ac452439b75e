# Linux and macOS; README.md spells the same steps out for Windows.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test fast lint gpu clean

install: $(VENV)/.installed

$(VENV)/.installed: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

demo: install
	$(BIN)/python create_dataset.py --demo
	@$(BIN)/python launch_training_test.py --data-dir demo/DATASET --output-dir demo/runs \
		--model resnet18 --no-pretrained --batch-size 32 --workers 2 --epochs 8

test: install lint
	$(BIN)/python -m pytest -n auto --dist loadfile -q

fast: install
	$(BIN)/python -m pytest -n auto --dist loadfile -q -m "not slow"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

gpu: install
	$(BIN)/python benchmarks/gpu.py

clean:
	rm -rf demo .pytest_cache .mypy_cache .ruff_cache
