# make train   the main job, on the built-in demo, in checkpoints/
# make test    the whole test suite; it fetches a browser for some of it, where it can
# make torture   real kills, power cuts, faults and corruptions, for MINUTES=20; HOLDFAST_DEEP=1: more
# make bench   the figures of docs/performance.md, against the peers; on an idle machine
# make docs    the documentation site, in site/; first the pages that the code knows best
# make dist    wheel and sdist, in dist/
# make check   what CI runs: tests, lint, types, layers, generated docs

PYTHON ?= python3
MINUTES ?= 20
BIN := .venv/bin
DEVICE ?= cpu
AXE := 4.14.1
APT := -qq -o Acquire::http::Timeout=30 -o Acquire::Retries=1
CLAIMS := stall cost load resume storm speed series bookkeeping engine

.PHONY: browser train test torture bench lint types layers docs docs-check dist check clean

train: .venv/installed
	$(BIN)/holdfast train

test: .venv/installed browser
	$(BIN)/python -m pytest

# Debian's chromium and axe-core, for tests/dashboard; without them those tests say that they skip.
browser: .venv/installed
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  { apt-get $(APT) update; DEBIAN_FRONTEND=noninteractive apt-get $(APT) -y install chromium; } \
	  >/dev/null 2>&1 </dev/null; } || \
	  echo 'no chromium, and it could not be installed: the tests in the browser are skipped'
	@test -f .venv/axe-core/axe.min.js || { mkdir -p .venv/axe-core && cd .venv/axe-core && \
	  npm pack --silent --fetch-timeout=30000 --fetch-retries=1 axe-core@$(AXE) >/dev/null 2>&1 && \
	  tar -xzf axe-core-$(AXE).tgz --strip-components=1 package/axe.min.js; } || \
	  echo 'no axe-core, and npm could not fetch it: the tests of accessibility are skipped'

torture: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture --minutes $(MINUTES)

bench: .venv/bench
	for claim in $(CLAIMS); do \
	  printf '\n## %s\n\n' $$claim; \
	  $(BIN)/python -W ignore benchmarks/$$claim.py --device $(DEVICE) || exit; \
	done

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/installed
	$(BIN)/mypy

layers: .venv/installed
	$(BIN)/lint-imports

docs: .venv/installed
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -W ignore -m mkdocs build --strict --quiet
	@echo 'site/index.html'

dist: .venv/installed
	$(BIN)/python -m build --outdir dist

docs-check: .venv/installed
	$(BIN)/python docs/generate.py --check

check: test lint types layers docs-check

clean:
	rm -rf .venv

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv/bench: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	touch $@
