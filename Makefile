# Every target sets up what it needs: Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 6

.PHONY: test check live demo bench clean lock

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

test: $(STAMP)  ## everything that needs no FreeSWITCH
	$(BIN)/python -m pytest -n $(JOBS) -m "not live" $(ARGS)

check: $(STAMP)  ## lint and strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

live: $(STAMP)  ## the scenarios on a real FreeSWITCH (FSREC_FREESWITCH=binary or FSREC_ESL=host:port:password)
	$(BIN)/python -m pytest -m live -rs $(ARGS)

demo: $(STAMP)  ## recorded calls on the embedded softswitch, with a timeline
	$(BIN)/fsrec demo $(ARGS)

bench: $(STAMP)  ## fsrec beside a raw client, on a real FreeSWITCH where there is one
	$(BIN)/python -m benchmarks.start_latency $(ARGS)

lock:  ## renew requirements/*.txt (needs pip-tools)
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --strip-extras --output-file=requirements/run.txt pyproject.toml
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --strip-extras --extra=dev --constraint=requirements/run.txt --output-file=requirements/dev.txt pyproject.toml requirements/build.in

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.*
