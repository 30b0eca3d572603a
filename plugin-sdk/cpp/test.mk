# The tests of a migration in C++, natively: `make test` runs its cases. `SDK` is the folder of
# `plugin-sdk`.
BUILD ?= build
CASES ?= cases.jsonl
C = $(SDK)/c
FLAGS = -g -fsanitize=address,undefined -I$(C)/include -I$(C)/vendor/yyjson -I$(C)/bindings -I$(C)/src
CORE = $(patsubst $(C)/%.c,$(BUILD)/%.o,$(wildcard $(C)/src/*.c $(C)/testing/*.c))

.PHONY: test
# Nothing is given back before the end: see migration.h.
test: $(BUILD)/tests
	ASAN_OPTIONS=detect_leaks=0 $(BUILD)/tests $(CASES)

$(BUILD)/tests: $(wildcard src/*.cpp src/*.hpp $(SDK)/cpp/include/*) $(CORE)
	$(CXX) -std=c++23 -fno-exceptions -fno-rtti $(FLAGS) -I$(SDK)/cpp/include -Wall -Wextra -o $@ \
	    $(wildcard src/*.cpp) $(CORE)

$(BUILD)/%.o: $(C)/%.c
	@mkdir -p $(@D)
	$(CC) -std=c17 $(FLAGS) -c -o $@ $<
