# Every verb sets up what it needs in .venv. `make help` lists them.
# The first interpreter that starts and fits; 3.11 first, as every role can be installed for it.
FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
ifndef PYTHON
PYTHON := $(shell for found in python3.11 python3.12 python3.10 python3.13 python3; do \
	$$found -c '$(FITS)' >/dev/null 2>&1 && { echo $$found; break; }; done)
endif
VENV := .venv
BIN := $(VENV)/bin
SETUP := pyproject.toml requirements.lock
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint $(VENV)/versions.lock
PYNQ_NUMPY := 1.26.4
JOBS ?= 2

# What is not given is left to the command line, so that its defaults are those of make.
CHOSEN = $(if $(NETWORK),--network "$(NETWORK)") $(if $(NET),--net $(NET)) $(if $(VARIANT),--variant $(VARIANT))
MACHINE_OPTIONS = $(CHOSEN) $(if $(MACHINE),--machine "$(MACHINE)") $(if $(FOLDING),--folding $(FOLDING)) \
	$(if $(BOARD),--board $(BOARD))
SEND = $(if $(SAMPLES),--samples $(SAMPLES)) $(if $(INPUT),--input "$(INPUT)")

.DEFAULT_GOAL := help
.PHONY: help setup sim test nightly unisim test-pythons fuzz networks lint rtl train digits bitstream board emulate serve bench results \
	report resources docs clean distclean

help:  ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sim: $(VENV)/.sim  ## the network through the RTL, bit for bit (NET=tiny SAMPLES=n|all WAV=file FOLDING=full)
	@$(BIN)/twofold sim $(MACHINE_OPTIONS) $(SEND) $(if $(WAV),--wav "$(WAV)")

test: $(VENV)/.all  ## every test (TWOFOLD_GSC=folder adds those on real audio)
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests

nightly: $(VENV)/.all  ## tests that take minutes: the kernel from random initial values
	@$(BIN)/python -m pytest -m nightly tests

unisim: $(VENV)/.all  ## cells and machines with the vendor's models of the cells (TWOFOLD_UNISIM=folder)
	@$(BIN)/python -m pytest -m unisim tests

# Everything but what needs PyTorch, in an environment for each Python that is found.
test-pythons: build/typing  ## the tests under Python 3.10 to 3.13, as far as they are installed (TESTS=folder)
	@tried=; for version in 3.10 3.11 3.12 3.13; do \
		for found in python$$version $$HOME/.pyenv/versions/$$version.*/bin/python \
				"$$(uv python find --no-python-downloads $$version 2>/dev/null)"; do \
			$$found -c 'import sys; sys.exit(sys.version_info[:2] != ('$${version%.*}', '$${version#*.}'))' \
				>/dev/null 2>&1 || continue; \
			echo "Python $$version: $$found"; tried="$$tried $$version"; environment=$(VENV)-$$version; \
			test -d $$environment || $$found -m venv $$environment; \
			$$environment/bin/pip install --quiet --disable-pip-version-check --editable '.[sim,onnx,test]' && \
			$$environment/bin/python -m pytest -q -n $(JOBS) --dist worksteal $(or $(TESTS),tests) || exit 1; \
			break; done; done; echo "tested under:$$tried"

fuzz: $(VENV)/.all  ## damaged files and odd options for every reader (TIME=seconds SEED=n; build/fuzz/fuzz.json)
	@$(BIN)/python -m twofold.sim.fuzz $(if $(TIME),--seconds $(TIME)) $(if $(SEED),--seed $(SEED))

networks: $(VENV)/.all  ## random networks in PyTorch, ONNX Runtime and every instruction set (COUNT=n)
	@$(BIN)/python -m twofold.sim.evaluate.networks $(if $(COUNT),--count $(COUNT))

lint: $(VENV)/.all build/typing  ## ruff and pyright
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

rtl: $(VENV)/.sim  ## Verilog of the core under build/rtl
	@$(BIN)/twofold rtl $(MACHINE_OPTIONS)

train: $(VENV)/.all  ## train a network (TWOFOLD_GSC=folder VARIANT=fast OUT=file)
	@$(BIN)/twofold train $(CHOSEN) \
		--out $(or $(OUT),build/train/$(or $(NET),gsc)-$(or $(VARIANT),fast).npz)

# The published network's own task. `twofold report` finds what is measured here in build/reports; a machine for it takes
# the cycles of that for twelve words, and the whole test split goes through its RTL.
digits: $(VENV)/.all  ## ten digits: three networks, their accuracies, two in RTL (TWOFOLD_GSC=folder SCALE=0.4)
	@mkdir -p build/reports
	@for variant in accurate fast dense; do \
		network=build/train/digits10-$$variant.npz; \
		$(BIN)/twofold train --task digits10 --variant $$variant $(if $(SCALE),--scale $(SCALE)) --out $$network && \
		for split in val test; do \
			$(BIN)/twofold eval --network $$network --split $$split --json > build/reports/eval-digits10-$$variant-$$split.json \
				|| exit 1; done || exit 1; done
	@for point in accurate:320 fast:100; do \
		name=digits10-$${point%:*}; \
		$(BIN)/twofold solve --network build/train/$$name.npz --cycles $${point#*:} --out build/machines/$$name.machine.json && \
		$(BIN)/twofold sim --machine build/machines/$$name.machine.json --network build/train/$$name.npz --samples all \
			|| exit 1; done

bitstream: $(VENV)/.sim  ## sources and scripts for the card, and its build (BOARD=u55c; TARGET=hw_emu: for emulation)
	@$(BIN)/twofold bitstream $(MACHINE_OPTIONS) $(if $(TARGET),--target $(TARGET)) $(if $(UNITS),--units $(UNITS))

board: $(VENV)/.board  ## a bitstream with open tools, routed (BOARD=ulx3s-85f NET=tiny; CLOCK=MHz SEED=n; LOAD=1 loads it)
	@$(BIN)/twofold bitstream $(MACHINE_OPTIONS) $(if $(BOARD),,--board ulx3s-85f) $(if $(CLOCK),--clock $(CLOCK)) \
		$(if $(SEED),--seed $(SEED)) $(if $(LOAD),--load)

emulate: $(VENV)/.host  ## samples through PYNQ and XRT on an emulated card (needs libxrt1; NET= SAMPLES= UNITS=)
	@$(BIN)/twofold emulate $(MACHINE_OPTIONS) $(SEND) $(if $(UNITS),--units $(UNITS))

serve: $(VENV)/.serve  ## networks over HTTP, Open Inference Protocol v2 (MODELS="gsc-fast gsc-dense" PORT=8000)
	@$(BIN)/twofold serve $(MODELS) $(if $(PORT),--port $(PORT))

bench: $(VENV)/.bench  ## the networks on CPU engines and on ours (QUICK=1; DEEPSPARSE=1 accepts its licence)
	@$(BIN)/twofold bench $(if $(NETWORK),--network "$(NETWORK)") $(if $(NET),--net $(NET)) $(if $(QUICK),--quick) $(if $(DEEPSPARSE),--accept-deepsparse-licence)

# Everything that README and docs/results.md show, anew; the test split where TWOFOLD_GSC names it.
results: $(VENV)/.bench  ## benchmark, simulations, then README's results (TWOFOLD_GSC=folder DEEPSPARSE=1; an hour, idle)
	@$(BIN)/twofold bench $(if $(QUICK),--quick) $(if $(DEEPSPARSE),--accept-deepsparse-licence)
	@$(BIN)/twofold sim --variant dense --folding full --samples 8
	@$(BIN)/twofold sim --variant sparse-dense --folding full --samples 65
	@$(BIN)/twofold sim --variant accurate --folding full --samples $(if $(TWOFOLD_GSC),all,65)
	@$(BIN)/twofold sim --variant fast --folding full --samples $(if $(TWOFOLD_GSC),all,65)
	@$(BIN)/twofold report --readme

report: $(VENV)/.bench  ## the comparison as one page, build/reports/report.html
	@$(BIN)/twofold report $(if $(NET),--net $(NET)) $(if $(BOARD),--board $(BOARD))

resources: $(VENV)/.area  ## area of the machine by Yosys, tile by tile
	@$(BIN)/twofold resources $(MACHINE_OPTIONS)

docs: $(VENV)/.bench  ## the drawings of the documentation
	@$(BIN)/python -m twofold.sim.drawings --out docs/pictures

# The package as it is when installed, for tools that follow paths instead of imports.
build/typing:
	@mkdir -p $@/twofold
	@ln -sfn ../../../sw/public/__init__.py $@/twofold/__init__.py
	@for room in hw sw sim; do ln -sfn ../../../$$room $@/twofold/$$room; done

setup: $(VENV)/.all  ## install every role into .venv

clean:  ## remove everything built
	rm -rf build

distclean: clean  ## and the virtual environment
	rm -rf $(VENV) twofold.egg-info

# Without a fitting interpreter `uv`, where it is installed, brings one.
$(VENV)/.base: $(SETUP)
	@echo "setting up $(VENV)"
	@if [ -n "$(PYTHON)" ] && $(PYTHON) -c '$(FITS)' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	elif command -v uv >/dev/null; then uv venv --quiet --seed --python 3.11 $(VENV); \
	else echo "make: needs Python 3.10 to 3.13, or uv; set PYTHON=/path/to/python" >&2; exit 6; fi
	@$(BIN)/python -c 'import sys; print(*sys.version_info[:2], sep=".")' | grep -q '^3\.11$$' \
		&& cp requirements.lock $(VENV)/versions.lock || : >$(VENV)/versions.lock
	@$(PIP) --editable .
	@touch $@

# The last PYNQ for Alveo cards needs NumPy 1, and Python up to 3.11.
$(VENV)/.pynq: $(VENV)/.base
	@sed -i 's/^numpy==.*/numpy==$(PYNQ_NUMPY)/' $(VENV)/versions.lock
	@touch $@

$(VENV)/.sim: $(VENV)/.base
	@$(PIP) --editable '.[sim]'
	@touch $@

$(VENV)/.all: $(VENV)/.sim $(VENV)/.pynq
	@echo "installing the training and test roles"
	@$(PIP) --editable '.[sim,train,host,dev]'
	@touch $@

$(VENV)/.host: $(VENV)/.sim $(VENV)/.pynq
	@$(PIP) --editable '.[sim,host]'
	@touch $@

$(VENV)/.serve: $(VENV)/.base
	@$(PIP) --editable '.[serve]'
	@touch $@

$(VENV)/.bench: $(VENV)/.sim
	@$(PIP) --editable '.[sim,bench]'
	@touch $@

$(VENV)/.board: $(VENV)/.sim
	@$(PIP) --editable '.[sim,ecp5]'
	@touch $@

$(VENV)/.area: $(VENV)/.sim
	@$(PIP) --editable '.[sim,area]'
	@touch $@
