# make demo     train models, then ask where they came from: one minute
# make check    formatting, lint, types, imports, fast tests: before every commit
# make test     the same with the tests on real services and those that break things, and coverage
# make bench    the benchmarks: figures, ratios to the raw limits, build/bench/result.json (docs/benchmarks.md)
#               make bench-quick the same, small; make bench-peers others on the same work
# make soak     kill everything 1,000 times, then count (SOAK_KILLS, SOAK_SEED, SOAK_SECONDS)
# make mutants  take each guarding line out and see its test fail (GUARDS=words)
# make lock     choose versions anew
# Needs Python >= 3.11 and git; everything else goes into .venv. Another Python: make test PYTHON=python3.13

NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" $(NEW_ENOUGH) 2> /dev/null && echo "$$python" && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCK := uv pip compile -q --universal -p 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

.PHONY: demo check test local-tests service-tests bench bench-quick bench-peers soak mutants lint lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/demo.stamp
	$(BIN)/python examples/demo.py

check: lint
	$(BIN)/python -m pytest -n auto -m "not service and not fault and not slow"

test: lint local-tests service-tests

local-tests: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n auto -m "not service and not fault" --cov --cov-report=

# One after the other: they share the broker and the database, and stop them. The coverage shown is that of all tests.
service-tests: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m "service or fault" --cov --cov-append --cov-report=term

BENCH := $(BIN)/python -m pytest -p no:randomly --override-ini=python_files='bench_*.py' -q -s

bench: $(VENV)/dev.stamp
	$(BENCH) tests/benchmarks

bench-quick: $(VENV)/dev.stamp
	BENCH_QUICK=1 BENCH_RESULT=build/bench/quick.json $(BENCH) tests/benchmarks

bench-peers: $(VENV)/dev.stamp
	BENCH_PEERS=1 BENCH_RESULT=build/bench/peers.json $(BENCH) tests/benchmarks/bench_peers.py

soak: $(VENV)/dev.stamp
	cd tests && "$(CURDIR)/$(BIN)/python" -m faults.soak

mutants: $(VENV)/dev.stamp
	cd tests && "$(CURDIR)/$(BIN)/python" -m mutants.run $(GUARDS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Exact versions, hashes checked; the project itself comes from this folder. dev.lock holds all of demo.lock.
# --no-deps: the lock says all of it. Else pip asks for the newest of whatever an extra names, and refuses what it finds.
$(VENV)/dev.stamp $(VENV)/demo.stamp: $(VENV)/%.stamp: requirements/%.lock requirements/build.lock pyproject.toml | $(BIN)/pip
	$(PIP) install -q --no-deps --require-hashes -r requirements/build.lock -r $<
	$(PIP) install -q --no-deps --no-build-isolation --editable .
	$(PIP) check -q
	@touch $@

$(BIN)/pip:
	@"$(PYTHON)" $(NEW_ENOUGH) 2> /dev/null || { \
		echo 'modeltrail needs Python 3.11 or newer, and found none. Install one, or name it: make PYTHON=/path/to/python3' >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip' 2> /dev/null || { \
		echo '$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

lock:
	$(LOCK) --extra demo --extra server --group dev pyproject.toml -o requirements/dev.lock
	$(LOCK) --group build -c requirements/dev.lock -o requirements/build.lock
	$(LOCK) --extra demo -c requirements/dev.lock pyproject.toml -o requirements/demo.lock
	$(LOCK) --extra server -c requirements/dev.lock pyproject.toml -o requirements/server.lock

clean:
	rm -rf $(VENV) .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
