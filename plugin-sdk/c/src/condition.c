/* Conditions of a manifest's filter and of lookups. */
#include <string.h>

#include "sdk.h"

static mig_condition make(const char *at, uint8_t test, const mig_json *values, size_t count) {
    mig_json *kept = mig_arena_alloc(&mig_batch, count * sizeof *kept, sizeof(void *));
    if (count > 0)
        memcpy(kept, values, count * sizeof *kept);
    mig_condition condition = {mig_keep(mig_text_of(at)).ptr, test, kept, count};
    return condition;
}

mig_condition mig_present(const char *at) {
    return make(at, MIGRATION_PLUGIN_TYPES_TEST_PRESENT, NULL, 0);
}

mig_condition mig_missing(const char *at) {
    return make(at, MIGRATION_PLUGIN_TYPES_TEST_MISSING, NULL, 0);
}

mig_condition mig_equals(const char *at, mig_json value) {
    return make(at, MIGRATION_PLUGIN_TYPES_TEST_EQUALS, &value, 1);
}

mig_condition mig_not_equals(const char *at, mig_json value) {
    return make(at, MIGRATION_PLUGIN_TYPES_TEST_NOT_EQUALS, &value, 1);
}

mig_condition mig_less_than(const char *at, mig_json value) {
    return make(at, MIGRATION_PLUGIN_TYPES_TEST_LESS_THAN, &value, 1);
}

mig_condition mig_at_least(const char *at, mig_json value) {
    return make(at, MIGRATION_PLUGIN_TYPES_TEST_AT_LEAST, &value, 1);
}

mig_condition mig_one_of(const char *at, const mig_json *values, size_t count) {
    return make(at, MIGRATION_PLUGIN_TYPES_TEST_ONE_OF, values, count);
}

/* What JSON cannot write compares as null, as in the other SDKs: a condition cannot fail. */
static wire_string_t value_of(mig_json value) {
    return mig_to_wire(value.text.ptr != NULL ? value.text : mig_null().text);
}

wire_condition mig_condition_wire(mig_condition condition) {
    wire_condition wire = {.at = mig_to_wire(mig_text_of(condition.at)), .test = {.tag = condition.test}};
    if (condition.test == MIGRATION_PLUGIN_TYPES_TEST_ONE_OF) {
        wire_string_t *values = mig_arena_alloc(&mig_batch, condition.count * sizeof *values, sizeof(void *));
        for (size_t i = 0; i < condition.count; i++)
            values[i] = value_of(condition.values[i]);
        wire.test.val.one_of.ptr = values;
        wire.test.val.one_of.len = condition.count;
    } else if (condition.count > 0) {
        /* All tests with one value have it at the same place of the union. */
        wire.test.val.equals = value_of(condition.values[0]);
    }
    return wire;
}
