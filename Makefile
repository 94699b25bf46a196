# What a newcomer needs: `make demo` explains a photo, `make test` runs the tests. Both make the environment first.
# Another interpreter: make test PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
PHOTOS := examples/photos
DEMO := demo-out

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test check bench docs clean

help:
	@echo "make demo    explain $(PHOTOS)/coffee.jpg and say where the report is"
	@echo "make test    run the tests"
	@echo "make check   run everything that must pass: format, lint, types, imports, tests, docs, wheel"
	@echo "make bench   run every benchmark on $(PHOTOS), with short settings"
	@echo "make docs    build the documentation in docs/_build/html"
	@echo "make clean   remove what the others made, the environment included"

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: .venv/.installed
	$(BIN)/seewhy explain $(PHOTOS)/coffee.jpg --out $(DEMO)
	@echo "open $(DEMO)/coffee/report.html in a browser"

test: .venv/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto # a worker per core, and one thread in each

check:
	scripts/check

bench: .venv/.installed
	$(BIN)/python benchmarks/sampler_bits.py $(PHOTOS) --all --json
	$(BIN)/python benchmarks/memory.py $(PHOTOS)/coffee.jpg --queries 500 --queries 2000 --json
	$(BIN)/python benchmarks/seeds.py $(PHOTOS)/coffee.jpg --method pmi:size=56,stride=56 --json
	$(BIN)/python benchmarks/calibration.py $(PHOTOS)/coffee.jpg --method pmi:size=16 --truth-stride 8 --truth-samples 2 --seeds 1 --json
	$(BIN)/python benchmarks/pmi_queries.py $(PHOTOS)/coffee.jpg --truth-stride 8 --truth-samples 2 --share 0.3 --json
	$(BIN)/python benchmarks/allocator.py --seconds 1 --json
	$(BIN)/python benchmarks/backends.py $(PHOTOS)/coffee.jpg --network small --rounds 1 --json
	$(BIN)/python benchmarks/throughput.py $(PHOTOS)/coffee.jpg --queries 100 --rounds 1 --json
	$(BIN)/python benchmarks/cold_start.py $(PHOTOS)/coffee.jpg --repeats 1 --json
	$(BIN)/python benchmarks/import_time.py --repeats 6 --json
	$(BIN)/python benchmarks/infill_cost.py $(PHOTOS)/coffee.jpg --rounds 5 --infill patch-sampler --infill telea --json
	@mkdir -p $(DEMO)
	$(BIN)/python benchmarks/contact_sheet.py $(PHOTOS)/coffee.jpg --out $(DEMO)/contact_sheet.png --json
	$(BIN)/python benchmarks/sample_scores.py $(PHOTOS) --all --windows 8 --json
ifdef TRAIN
	$(BIN)/python benchmarks/sampler_families.py $(TRAIN) --steps 20 --batch 64 --json
	$(BIN)/python benchmarks/learning_curve.py $(TRAIN) --steps 10 --steps 20 --batch 64 --json
else
	@echo "benchmarks/sampler_families.py and learning_curve.py train on dozens of photos: make bench TRAIN=FOLDER"
endif
ifdef CUTOUTS
	$(BIN)/python benchmarks/localisation.py $(CUTOUTS) --json
	$(BIN)/python benchmarks/true_evidence.py $(CUTOUTS) --json
else
	@echo "benchmarks/localisation.py and true_evidence.py need cut-outs (labels.csv and images/): make bench CUTOUTS=FOLDER"
endif
ifdef BOXES
	$(BIN)/python benchmarks/false_evidence.py $(BOXES) --json
else
	@echo "benchmarks/false_evidence.py needs photos with boxes (labels.csv and images/): make bench BOXES=FOLDER"
endif

docs: .venv/.installed
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html in a browser"

clean:
	rm -rf .venv docs/_build $(DEMO) seewhy-out build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find src tests examples benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
