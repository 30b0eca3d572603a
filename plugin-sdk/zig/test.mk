# The tests of a migration in Zig, natively: `make test` runs its cases. `SDK` is the folder of
# `plugin-sdk`.
BUILD ?= build
CASES ?= cases.jsonl
ZIG ?= $(or $(HOST_TOOLS),.tools)/ziglang-0.17.0/bin/python -m ziglang
C = $(SDK)/c
FLAGS = -std=c17 -I$(C)/include -I$(C)/vendor/yyjson -I$(C)/bindings -I$(C)/src

.PHONY: test
test: $(BUILD)/tests
	$(BUILD)/tests $(CASES)

$(BUILD)/tests: $(BUILD)/plugin.o $(wildcard $(C)/*/*.[ch])
	$(ZIG) cc $(FLAGS) -o $@ $< $(wildcard $(C)/src/*.c $(C)/testing/*.c)

$(BUILD)/plugin.o: $(wildcard src/*.zig $(SDK)/zig/*.zig)
	@mkdir -p $(BUILD)
	$(ZIG) build-obj -lc -femit-bin=$@ --dep migration --dep plugin -Mroot=$(SDK)/zig/root.zig \
	    -Mmigration=$(SDK)/zig/migration.zig --dep migration -Mplugin=src/migration.zig
