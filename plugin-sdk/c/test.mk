# The tests of a migration in C, natively: `make test` runs its cases. `SDK` is the folder of
# `plugin-sdk`.
BUILD ?= build
CASES ?= cases.jsonl
C = $(SDK)/c
FLAGS = -std=c17 -g -fsanitize=address,undefined -I$(C)/include -I$(C)/vendor/yyjson -I$(C)/bindings -I$(C)/src

.PHONY: test
# Nothing is given back before the end: see migration.h.
test: $(BUILD)/tests
	ASAN_OPTIONS=detect_leaks=0 $(BUILD)/tests $(CASES)

$(BUILD)/tests: $(wildcard src/*.c src/*.h $(C)/*/*.[ch])
	@mkdir -p $(BUILD)
	$(CC) $(FLAGS) -Wall -Wextra -o $@ $(wildcard src/*.c $(C)/src/*.c $(C)/testing/*.c)
