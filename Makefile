# Every target sets up what it needs: Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What the daemon needs and no more: a quarter of what the tests want, for those who only look.
RUNS := $(VENV)/.runs
BENCH_STAMP := $(VENV)/.bench-installed
# Most tests wait for calls: more of them at a time than processors.
JOBS ?= 4
# Clients of the vendors, which clash: each has an environment of its own.
SDKS := twilio-9 signalwire-2 signalwire-3.0 signalwire-3.7
SDK_STAMPS := $(SDKS:%=.venvs/%/.installed)

.PHONY: test coverage fuzz check live faults demo screenshot bench clean lock sdks

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(RUNS): requirements/run.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	touch $@

.venvs/%/.installed: requirements/sdk-%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes -r $<
	touch $@

sdks: $(SDK_STAMPS)  ## the vendors' own clients, which the tests drive the daemon with

test: $(STAMP) $(SDK_STAMPS)  ## everything that needs no FreeSWITCH
	FSREC_REQUIRE_SDKS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not live and not faults" $(ARGS)

coverage: $(STAMP) $(SDK_STAMPS)  ## branch coverage of all that needs no FreeSWITCH: 95 % at least
	$(MAKE) test ARGS="--cov --cov-report=term --cov-fail-under=95 $(ARGS)"

fuzz: $(STAMP)  ## hostile input to all that reads, further than `make test` looks
	FSREC_FUZZ=deep $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --timeout 3600 tests/fuzz $(ARGS)

check: $(STAMP)  ## lint and strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

live: $(STAMP) $(SDK_STAMPS)  ## the scenarios on a real FreeSWITCH (FSREC_FREESWITCH=binary or FSREC_ESL=host:port:password)
	$(BIN)/python -m pytest -m live -rs $(ARGS)

faults: $(STAMP)  ## seeded faults: 1,000 recordings, none lost (SEED=17 STORE=sqlite for one alone, ARGS=--help); two daemons; too much of all
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(STORE),--store $(STORE)) $(ARGS)
	$(if $(SEED),,$(BIN)/python -m pytest -m "faults and not live" -s)
	$(if $(SEED),,$(BIN)/python -m tests.faults.overload)

demo: $(if $(wildcard $(STAMP)),$(STAMP),$(RUNS))  ## recorded calls on the embedded softswitch, with a timeline and the console
	$(BIN)/python -m controller.cli demo $(ARGS)

screenshot: $(STAMP)  ## docs/console.png anew: a recorded call in the console, seen by Debian's Chromium
	$(BIN)/python -m tests.console.screenshot

# Genesis, a yardstick, wants another rich than fsrec does; where it can't be installed its side is left out.
$(BENCH_STAMP): requirements/bench.txt requirements/genesis.txt $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(PYTHON) -m venv .venvs/genesis
	.venvs/genesis/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/genesis.txt || rm -rf .venvs/genesis
	touch $@

bench: $(BENCH_STAMP)  ## fsrec beside its yardsticks, on a real FreeSWITCH where there is one (ARGS="ingest --json FILE --plot FILE")
	$(BIN)/python -m benchmarks $(ARGS)

lock:  ## renew requirements/*.txt (needs pip-tools)
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --strip-extras --output-file=requirements/run.txt pyproject.toml
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --strip-extras --extra=dev --constraint=requirements/run.txt --output-file=requirements/dev.txt pyproject.toml requirements/build.in
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --strip-extras --extra=bench --constraint=requirements/dev.txt --output-file=requirements/bench.txt pyproject.toml
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --strip-extras --output-file=requirements/genesis.txt requirements/genesis.in

clean:
	rm -rf $(VENV) .venvs .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.*
