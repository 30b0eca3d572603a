/* Texts, numbers, lists, conditions and manifests. */
#include <string.h>

#include "engine.h"

bool engine_read_text(JSContext *context, JSValueConst value, void *to) {
    wire_string_t *text = to;
    if (!JS_IsString(value)) {
        JS_ThrowTypeError(context, "a text is expected");
        return false;
    }
    /* Its bytes stay where they are: nobody frees them while the instance lives. */
    text->ptr = (uint8_t *)JS_ToCStringLen(context, &text->len, value);
    return text->ptr != NULL;
}

bool engine_read_optional_text(JSContext *context, JSValueConst value, void *to) {
    wire_option_string_t *text = to;
    text->is_some = !JS_IsNull(value) && !JS_IsUndefined(value);
    return !text->is_some || engine_read_text(context, value, &text->val);
}

bool engine_read_number(JSContext *context, JSValueConst value, void *to) {
    uint32_t *number = to;
    double told;
    if (!JS_IsNumber(value) || JS_ToFloat64(context, &told, value) < 0 || !(told >= 0 && told <= UINT32_MAX) ||
        told != (double)(uint32_t)told) {
        JS_ThrowTypeError(context, "a whole number from 0 to 4294967295 is expected");
        return false;
    }
    *number = (uint32_t)told;
    return true;
}

/* Reads a value that is the caller's own, and frees it. */
static bool take(JSContext *context, JSValue value, engine_read *read, void *to) {
    bool is_read = !JS_IsException(value) && read(context, value, to);
    JS_FreeValue(context, value);
    return is_read;
}

bool engine_read_member(JSContext *context, JSValueConst value, engine_name name, engine_read *read, void *to) {
    return take(context, JS_GetProperty(context, value, engine_atoms[name]), read, to);
}

bool engine_read_element(JSContext *context, JSValueConst value, uint32_t place, engine_read *read, void *to) {
    return take(context, JS_GetPropertyUint32(context, value, place), read, to);
}

bool engine_read_list(JSContext *context, JSValueConst value, engine_read *read, size_t size, void *elements,
                      size_t *count) {
    int64_t length;
    if (!JS_IsArray(value)) {
        JS_ThrowTypeError(context, "an array is expected");
        return false;
    }
    if (JS_GetLength(context, value, &length) < 0)
        return false;
    if ((uint64_t)length > SIZE_MAX / size) {
        JS_ThrowRangeError(context, "an array is too long");
        return false;
    }
    char *memory = engine_keep((size_t)length * size, sizeof(void *));
    for (uint32_t place = 0; place < length; place++) {
        if (!engine_read_element(context, value, place, read, memory + place * size))
            return false;
    }
    *(void **)elements = memory;
    *count = (size_t)length;
    return true;
}

bool engine_read_texts(JSContext *context, JSValueConst value, void *to) {
    wire_list_string_t *texts = to;
    return engine_read_list(context, value, engine_read_text, sizeof *texts->ptr, &texts->ptr, &texts->len);
}

size_t engine_read_name(JSContext *context, JSValueConst value, const engine_name *names, size_t count) {
    size_t found = 0;
    JSAtom atom = JS_ValueToAtom(context, value);
    if (atom == JS_ATOM_NULL)
        return count;
    while (found < count && engine_atoms[names[found]] != atom)
        found++;
    JS_FreeAtom(context, atom);
    if (found == count)
        JS_ThrowTypeError(context, "a value has a name that the interface does not know");
    return found;
}

size_t engine_read_tag(JSContext *context, JSValueConst value, const engine_name *names, size_t count) {
    JSValue tag = JS_GetProperty(context, value, engine_atoms[NAME_tag]);
    size_t found = JS_IsException(tag) ? count : engine_read_name(context, tag, names, count);
    JS_FreeValue(context, tag);
    return found;
}

static bool read_test(JSContext *context, JSValueConst value, void *to) {
    static const engine_name tags[] = {NAME_present,   NAME_missing,  NAME_equals, NAME_not_equals,
                                       NAME_less_than, NAME_at_least, NAME_one_of};
    migration_plugin_types_test_t *test = to;
    size_t tag = engine_read_tag(context, value, tags, ENGINE_COUNT(tags));
    if (tag == ENGINE_COUNT(tags))
        return false;
    test->tag = (uint8_t)tag;
    switch (tag) {
    case MIGRATION_PLUGIN_TYPES_TEST_PRESENT:
    case MIGRATION_PLUGIN_TYPES_TEST_MISSING:
        return true;
    case MIGRATION_PLUGIN_TYPES_TEST_ONE_OF:
        return engine_read_member(context, value, NAME_val, engine_read_texts, &test->val.one_of);
    default:
        /* All others have one text, at the same place of the union. */
        return engine_read_member(context, value, NAME_val, engine_read_text, &test->val.equals);
    }
}

static bool read_condition(JSContext *context, JSValueConst value, void *to) {
    wire_condition *condition = to;
    return engine_read_member(context, value, NAME_at, engine_read_text, &condition->at) &&
           engine_read_member(context, value, NAME_test, read_test, &condition->test);
}

bool engine_read_conditions(JSContext *context, JSValueConst value, void *to) {
    wire_conditions *conditions = to;
    return engine_read_list(context, value, read_condition, sizeof *conditions->ptr, &conditions->ptr,
                            &conditions->len);
}

bool engine_read_manifest(JSContext *context, JSValueConst value, void *to) {
    wire_manifest *manifest = to;
    memset(manifest, 0, sizeof *manifest);
    return engine_read_member(context, value, NAME_name, engine_read_text, &manifest->name) &&
           engine_read_member(context, value, NAME_description, engine_read_text, &manifest->description) &&
           engine_read_member(context, value, NAME_version, engine_read_number, &manifest->version) &&
           engine_read_member(context, value, NAME_run_after, engine_read_texts, &manifest->run_after) &&
           engine_read_member(context, value, NAME_table, engine_read_text, &manifest->table) &&
           engine_read_member(context, value, NAME_filter, engine_read_conditions, &manifest->filter) &&
           engine_read_member(context, value, NAME_reads, engine_read_texts, &manifest->reads) &&
           engine_read_member(context, value, NAME_writes, engine_read_texts, &manifest->writes) &&
           engine_read_member(context, value, NAME_secrets, engine_read_texts, &manifest->secrets);
}
