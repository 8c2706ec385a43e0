# Every verb sets up what it needs in .venv. `make help` lists them.
PYTHON ?= $(firstword $(shell command -v python3.11 python3))
VENV := .venv
BIN := $(VENV)/bin
SETUP := pyproject.toml requirements.lock
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock
JOBS ?= 2

# What is not given is left to the command line, so that its defaults are those of make.
CHOSEN = $(if $(NETWORK),--network "$(NETWORK)") $(if $(NET),--net $(NET)) $(if $(VARIANT),--variant $(VARIANT))
MACHINE_OPTIONS = $(CHOSEN) $(if $(MACHINE),--machine "$(MACHINE)") $(if $(FOLDING),--folding $(FOLDING)) \
	$(if $(BOARD),--board $(BOARD))
COUNT = $(or $(SAMPLES),$(SAMPLES))
SEND = $(if $(COUNT),--samples $(COUNT)) $(if $(INPUT),--input "$(INPUT)")

.DEFAULT_GOAL := help
.PHONY: help setup sim test lint rtl train bitstream emulate bench report resources clean distclean

help:  ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sim: $(VENV)/.sim  ## the network through the RTL, bit for bit (NET=tiny SAMPLES=n|all WAV=file FOLDING=full)
	@$(BIN)/twofold sim $(MACHINE_OPTIONS) $(SEND) $(if $(WAV),--wav "$(WAV)")

test: $(VENV)/.all  ## every test (TWOFOLD_GSC=folder adds those on real audio)
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests

lint: $(VENV)/.all  ## ruff and pyright
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

rtl: $(VENV)/.sim  ## Verilog of the core under build/rtl
	@$(BIN)/twofold rtl $(MACHINE_OPTIONS)

train: $(VENV)/.all  ## train a network (TWOFOLD_GSC=folder VARIANT=fast OUT=file)
	@$(BIN)/twofold train $(CHOSEN) $(if $(TWOFOLD_GSC),--data "$(TWOFOLD_GSC)") \
		--out $(or $(OUT),build/train/$(or $(NET),gsc)-$(or $(VARIANT),fast).npz)

bitstream: $(VENV)/.sim  ## sources and scripts for the card, and its build (BOARD=u55c; TARGET=hw_emu: for emulation)
	@$(BIN)/twofold bitstream $(MACHINE_OPTIONS) $(if $(TARGET),--target $(TARGET)) $(if $(UNITS),--units $(UNITS))

emulate: $(VENV)/.host  ## samples through PYNQ and XRT on an emulated card (needs libxrt1; NET= SAMPLES= UNITS=)
	@$(BIN)/twofold emulate $(MACHINE_OPTIONS) $(SEND) $(if $(UNITS),--units $(UNITS))

bench: $(VENV)/.bench  ## the networks on CPU engines and on ours (QUICK=1; DEEPSPARSE=1 accepts its licence)
	@$(BIN)/twofold bench $(if $(NETWORK),--network "$(NETWORK)") $(if $(NET),--net $(NET)) $(if $(QUICK),--quick) $(if $(DEEPSPARSE),--accept-deepsparse-licence)

report: $(VENV)/.bench  ## the comparison as one page, build/reports/report.html
	@$(BIN)/twofold report $(if $(NET),--net $(NET)) $(if $(BOARD),--board $(BOARD))

resources: $(VENV)/.area  ## area of the machine by Yosys, tile by tile
	@$(BIN)/twofold resources $(MACHINE_OPTIONS)

setup: $(VENV)/.all  ## install every role into .venv

clean:  ## remove everything built
	rm -rf build

distclean: clean  ## and the virtual environment
	rm -rf $(VENV) twofold.egg-info

$(VENV)/.base: $(SETUP)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
		{ echo "make: needs Python 3.11; set PYTHON=/path/to/python3.11" >&2; exit 6; }
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable .
	@touch $@

$(VENV)/.sim: $(VENV)/.base
	@$(PIP) --editable '.[sim]'
	@touch $@

$(VENV)/.all: $(VENV)/.sim
	@echo "installing the training and test roles"
	@$(PIP) --editable '.[sim,train,host,dev]'
	@touch $@

$(VENV)/.host: $(VENV)/.sim
	@$(PIP) --editable '.[sim,host]'
	@touch $@

$(VENV)/.bench: $(VENV)/.sim
	@$(PIP) --editable '.[sim,bench]'
	@touch $@

$(VENV)/.area: $(VENV)/.sim
	@$(PIP) --editable '.[sim,area]'
	@touch $@
