# Sluice: every door of the project. `make help` lists them.
#
# Each target first lets .ci/bootstrap.py fetch what is missing into build/ (about half a minute the first time, a blink
# afterwards). Nothing is written outside this folder: tools that would keep a cache at home are told to keep it here.

SCENARIO ?= evening
VEHICLE  ?=
ARGS     ?=
LOG      ?=
PROTOCOL ?=
VIEW     ?= messages
CHECK    ?=
CAN      ?=
CAN_CONVERTER ?=
RS485    ?=
BROKER   ?=
PROFILE  ?=
PORT     ?=
BOARD    ?=
FILE     ?=
ONLY     ?=
WIRED    ?=
GIVEN    ?=
PYTHON   ?= python3

RUN := build/venv/bin/python
BOARDS = $(filter-out bench,$(basename $(notdir $(wildcard firmware/boards/[a-z]*.py))))
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache
export MPLCONFIGDIR := $(CURDIR)/build/matplotlib
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/build/hypothesis

.DEFAULT_GOAL := help
.PHONY: help run scenarios car converter bench flash console config logs board-tests replay plot test soak perf size mutants lint image boards bootstrap bootstrap-perf clean distclean

help: ## show this list
	@echo "Sluice: firmware for a bidirectional DC charging station. Targets:"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done
	@echo
	@echo "Variables: SCENARIO ($(SCENARIO)), VEHICLE (gbt27930, chademo; else the scenario's own), ARGS (handed on), PYTHON ($(PYTHON), 3.11 or newer)."
	@echo "  a board: PORT (/dev/ttyUSB0), BOARD ($(BOARDS)), FILE (station.json)"
	@echo "  its tests: ONLY (03), WIRED (relays can_bus meter insulation), GIVEN (minutes=60)"
	@echo "  an emulator alone: CAN (slcan:/dev/ttyACM0), PROFILE (leaf_ze1)"
	@echo "  a run against a board: PORT, CAN (the car's bus), CAN_CONVERTER, RS485 (/dev/ttyUSB2: for a meter, a monitor), BROKER (192.168.1.5:18830)"
	@echo "  a recording: LOG (file), PROTOCOL (gbt27930, chademo), VIEW (messages, session, station), CHECK (1)"
	@echo "Scenarios: $(basename $(notdir $(wildcard hw_tests/bench/scenarios/[a-z]*.toml))); one variant: ARGS=\"--variant NAME\"."

run: bootstrap ## play a session live: SCENARIO=evening VEHICLE=chademo; results in build/run/SCENARIO/
	@$(RUN) -m hw_tests.bench run $(SCENARIO) $(if $(VEHICLE),--vehicle $(VEHICLE)) $(ARGS)

scenarios: bootstrap ## play every scenario live with every vehicle, one a processor (ARGS=--jobs 1: one after the other)
	@$(RUN) -m hw_tests.bench scenarios $(if $(VEHICLE),--vehicle $(VEHICLE)) $(ARGS)

car: bootstrap ## an emulated car alone on an adapter: CAN=slcan:/dev/ttyACM0 VEHICLE=chademo PROFILE=leaf_ze1
	@$(RUN) -m hw_tests.bench.alone car --can "$(CAN)" $(if $(VEHICLE),--vehicle $(VEHICLE)) $(if $(PROFILE),--profile $(PROFILE)) $(ARGS)

converter: bootstrap ## an emulated converter alone on an adapter: CAN=socketcan:can0 (docs/bench.md)
	@$(RUN) -m hw_tests.bench.alone converter --can "$(CAN)" $(ARGS)

bench: bootstrap ## the scenarios of make run against a board: PORT=/dev/ttyUSB0 CAN=slcan:/dev/ttyACM0 CAN_CONVERTER=slcan:/dev/ttyACM1 (docs/bench.md)
	@$(RUN) -m hw_tests.bench.against_board $(SCENARIO) --port "$(PORT)" --can "$(CAN)" --can-converter "$(CAN_CONVERTER)" \
		$(if $(RS485),--rs485 "$(RS485)") $(if $(VEHICLE),--vehicle $(VEHICLE)) $(if $(BROKER),--broker "$(BROKER)") $(ARGS)

flash: bootstrap ## bring a board to this image: PORT=/dev/ttyUSB0, the first time BOARD=lilygo_t2can; into ROM if it has some (docs/desk.md)
	@$(RUN) -m hw_tests.desk flash --port "$(PORT)" --board "$(BOARD)" $(ARGS)

console: bootstrap ## show what a board says: PORT=...; sends nothing, so it never disturbs a session
	@$(RUN) -m hw_tests.desk console --port "$(PORT)" $(ARGS)

config: bootstrap ## check a configuration and put it on a board: PORT=... FILE=station.json; without PORT only checked
	@$(RUN) -m hw_tests.desk config --port "$(PORT)" --file "$(FILE)" $(ARGS)

logs: bootstrap ## fetch what a board keeps, or show what it says: PORT=...
	@$(RUN) -m hw_tests.desk logs --port "$(PORT)" $(ARGS)

board-tests: bootstrap ## the numbered tests on a board: PORT=/dev/ttyUSB0 ONLY=03 WIRED="relays can_bus" GIVEN=minutes=60
	@$(RUN) -m hw_tests.board_tests "$(PORT)" $(if $(ONLY),--only $(ONLY)) $(if $(WIRED),--wired $(WIRED)) \
		$(if $(GIVEN),--given $(GIVEN)) $(ARGS)

replay: bootstrap ## read a recorded session: LOG=file PROTOCOL=gbt27930|chademo VIEW=messages|session|station CHECK=1
	@$(RUN) -m hw_tests.bench.replay "$(LOG)" --protocol "$(PROTOCOL)" --view $(VIEW) $(if $(filter-out 0,$(CHECK)),--check) $(ARGS)

plot: bootstrap ## draw a recorded session: LOG=file; a PNG in build/replay/
	@$(RUN) -m hw_tests.bench.replay "$(LOG)" --protocol "$(PROTOCOL)" --plot $(ARGS)

test: bootstrap ## all tests that need no board, on CPython and on MicroPython; some 8 minutes on two processors; one file: ARGS=host_tests/test_docs.py
	@$(RUN) -m host_tests $(ARGS)

soak: bootstrap ## 24 hours of a station's life in virtual time: VEHICLE=chademo
	@$(RUN) -m hw_tests.bench soak $(if $(VEHICLE),--vehicle $(VEHICLE)) $(ARGS)

perf: bootstrap-perf ## time of the control tick per state, as an ESP32 would take it
	@$(RUN) -m host_tests.perf $(ARGS)

size: bootstrap ## bytes that each package takes, and the heap that is left
	@$(RUN) -m host_tests.size $(ARGS)

mutants: bootstrap ## break the safety code on purpose, line by line; every survivor must be explained
	@$(RUN) -m host_tests.mutants $(ARGS)

lint: bootstrap ## ruff, and types: the firmware against MicroPython's stubs, the rest against CPython
	@$(RUN) .ci/lint.py

image: bootstrap ## compile what goes onto the board into build/board/ (files) and build/board.romfs (ROM partition)
	@$(RUN) .ci/image.py

boards: bootstrap ## draw every board's wiring and list its parts: docs/boards/ from firmware/boards/
	@$(RUN) .ci/boards.py

clean: ## remove results, fetched logs and caches, keep what was downloaded
	@rm -rf build/board build/run build/pycache build/matplotlib build/hypothesis build/mypy build/ruff \
		build/pytest build/coverage build/test build/perf build/mutants build/size build/board.romfs build/board_rom build/board_tests build/bench \
		build/replay build/logs

distclean: ## remove everything that is not the repository's
	@rm -rf build lib/umqtt

bootstrap:
	@command -v $(PYTHON) >/dev/null || { \
		echo "bootstrap: there is no program '$(PYTHON)' here: install Python 3.11 or newer with venv (on Debian: apt install python3-venv)." >&2; \
		exit 1; }
	@$(PYTHON) .ci/bootstrap.py

bootstrap-perf:
	@$(PYTHON) .ci/bootstrap.py perf
