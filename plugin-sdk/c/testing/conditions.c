#include <stdlib.h>
#include <string.h>

#include "testing.h"

/* Numbers are kept as they are spelled. Doubles are exact enough for the numbers of tests. */
static double number(yyjson_mut_val *value) {
    return strtod(yyjson_mut_get_raw(value), NULL);
}

/* Below 0, 0 or above; false where the two have no order. */
static bool order(yyjson_mut_val *one, yyjson_mut_val *other, int *result) {
    if (yyjson_mut_is_raw(one) && yyjson_mut_is_raw(other)) {
        double left = number(one), right = number(other);
        *result = (left > right) - (left < right);
        return true;
    }
    if (yyjson_mut_is_str(one) && yyjson_mut_is_str(other)) {
        size_t left = yyjson_mut_get_len(one), right = yyjson_mut_get_len(other);
        int bytes = memcmp(yyjson_mut_get_str(one), yyjson_mut_get_str(other), left < right ? left : right);
        *result = bytes != 0 ? bytes : (left > right) - (left < right);
        return true;
    }
    return false;
}

static bool equal(yyjson_mut_val *one, wire_string_t text) {
    yyjson_mut_val *other = test_parse(test_now->doc, mig_of_wire(text));
    int result;
    if (one != NULL && order(one, other, &result))
        return result == 0;
    return test_same(one, other);
}

static bool meets(yyjson_mut_val *value, const migration_plugin_types_test_t *test) {
    int result;
    switch (test->tag) {
    case MIGRATION_PLUGIN_TYPES_TEST_PRESENT:
        return value != NULL;
    case MIGRATION_PLUGIN_TYPES_TEST_MISSING:
        return value == NULL;
    case MIGRATION_PLUGIN_TYPES_TEST_EQUALS:
        return equal(value, test->val.equals);
    case MIGRATION_PLUGIN_TYPES_TEST_NOT_EQUALS:
        return !equal(value, test->val.not_equals);
    case MIGRATION_PLUGIN_TYPES_TEST_LESS_THAN:
        return value != NULL && order(value, test_parse(test_now->doc, mig_of_wire(test->val.less_than)), &result) &&
               result < 0;
    case MIGRATION_PLUGIN_TYPES_TEST_AT_LEAST:
        return value != NULL && order(value, test_parse(test_now->doc, mig_of_wire(test->val.at_least)), &result) &&
               result >= 0;
    default:
        for (size_t i = 0; i < test->val.one_of.len; i++) {
            if (equal(value, test->val.one_of.ptr[i]))
                return true;
        }
        return false;
    }
}

bool test_meets(yyjson_mut_val *body, const wire_condition *conditions, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!meets(test_at(body, mig_of_wire(conditions[i].at)), &conditions[i].test))
            return false;
    }
    return true;
}
