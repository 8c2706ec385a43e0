# Every verb sets up what it needs in .venv. `make help` lists them.
PYTHON ?= $(firstword $(shell command -v python3.11 python3))
VENV := .venv
BIN := $(VENV)/bin
SETUP := pyproject.toml requirements.lock
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock
JOBS ?= 2

# options of `make sim`, all optional
NET ?= gsc
VARIANT ?= fast
FOLDING ?= small
TARGET ?= hw
UNITS ?= 1
BOARD ?= u250
SIM_OPTIONS = --net $(NET) --variant $(VARIANT) --folding $(FOLDING) \
	$(if $(SAMPLES),--samples $(SAMPLES)) $(if $(WAV),--wav "$(WAV)")

.DEFAULT_GOAL := help
.PHONY: help setup sim test lint rtl train bitstream emulate bench report resources clean distclean

help:  ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sim: $(VENV)/.sim  ## the network through the RTL, bit for bit (NET=tiny SAMPLES=n|all WAV=file FOLDING=full)
	@$(BIN)/twofold sim $(SIM_OPTIONS)

test: $(VENV)/.all  ## every test (TWOFOLD_GSC=folder adds those on real audio)
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests

lint: $(VENV)/.all  ## ruff and pyright
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

rtl: $(VENV)/.sim  ## Verilog of the core under build/rtl
	@$(BIN)/twofold rtl --net $(NET) --variant $(VARIANT) --folding $(FOLDING)

train: $(VENV)/.all  ## train a network (TWOFOLD_GSC=folder VARIANT=fast OUT=file)
	@$(BIN)/twofold train --net $(NET) --variant $(VARIANT) $(if $(TWOFOLD_GSC),--data "$(TWOFOLD_GSC)") \
		--out $(or $(OUT),build/train/$(NET)-$(VARIANT).npz)

bitstream: $(VENV)/.sim  ## sources and scripts for the card, and its build (BOARD=u55c; TARGET=hw_emu: for emulation)
	@$(BIN)/twofold bitstream --net $(NET) --variant $(VARIANT) --folding $(FOLDING) --target $(TARGET) --units $(UNITS) \
		--board $(BOARD)

emulate: $(VENV)/.host  ## samples through PYNQ and XRT on an emulated card (needs libxrt1; NET= SAMPLES= UNITS=)
	@$(BIN)/twofold emulate --net $(NET) --variant $(VARIANT) --folding $(FOLDING) --units $(UNITS) --board $(BOARD) \
		$(if $(SAMPLES),--samples $(SAMPLES))

bench: $(VENV)/.bench  ## the networks on CPU engines and on ours (QUICK=1; DEEPSPARSE=1 accepts its licence)
	@$(BIN)/twofold bench --net $(NET) $(if $(QUICK),--quick) $(if $(DEEPSPARSE),--accept-deepsparse-licence)

report: $(VENV)/.bench  ## the comparison as one page, build/reports/report.html
	@$(BIN)/twofold report --net $(NET) --board $(BOARD)

resources: $(VENV)/.area  ## area of the machine by Yosys, tile by tile
	@$(BIN)/twofold resources --net $(NET) --variant $(VARIANT) --board $(BOARD)

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
