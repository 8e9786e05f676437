# From nothing: `make demo`. Everything lives in .venv; the versions are those of constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: demo test test-all prove mutate lint docs clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs,cluster,explore,onnx,keras,boards,handoff,asic]'
	# peer of the wire solver; its own dependencies are for plots that need system libraries
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps badcrossbar pathvalidate sigfig
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/ohmgate demo --out runs/demo

# A sample of every check, under 15 minutes on two cores. Workers have one thread each.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not full" -n 2

# Full counts: every random design, image and draw.
test-all: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# Properties of the RTL for all inputs, and faults that they must notice (docs/proofs.md). Minutes.
prove: $(STAMP)
	$(BIN)/python -m tests.proofs

# Faults by hand, then a sample of mutants (docs/testing.md). Goes on where it was interrupted; hours, not minutes.
#   make mutate COUNT=150 PACKAGES=analog,train SEED=2      another sample
#   make mutate AGAIN=survived                              those that survived, against today's tests
COUNT ?= 300
SEED ?= 1
PACKAGES ?= model,hdl,firmware,sim
AGAIN ?=
mutate: $(STAMP)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.mutants faults --again "$(AGAIN)" \
		--report build/mutants/faults.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.mutants sample --again "$(AGAIN)" \
		--count $(COUNT) --seed $(SEED) --packages $(PACKAGES) --report build/mutants/sample.md

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.type_errors

# docs/command-line.md from the commands' own help, then the site in build/site, without the network.
docs: $(STAMP)
	$(BIN)/python -m typer ohmgate.cli.main utils docs --name ohmgate --output docs/command-line.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet build --strict

clean:
	rm -rf .venv runs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
