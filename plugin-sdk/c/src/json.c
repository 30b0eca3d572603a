/* JSON texts out of C's values. */
#include <string.h>

#include "sdk.h"

/* What cannot be written has no text. */
static mig_json written(const char *text, size_t len) {
    mig_json json = {{text, text != NULL ? len : 0}};
    return json;
}

static mig_json built(const yyjson_mut_val *value) {
    yyjson_alc alc = mig_arena_yyjson(&mig_batch);
    size_t len = 0;
    const char *text = yyjson_mut_val_write_opts(value, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
    return written(text, len);
}

mig_json mig_string(mig_text text) {
    yyjson_mut_val value = {0};
    yyjson_mut_set_strn(&value, text.ptr != NULL ? text.ptr : "", text.len);
    return built(&value);
}

mig_json mig_string_c(const char *text) {
    return mig_string(mig_text_of(text));
}

mig_json mig_string_of(const char *text, size_t len) {
    mig_text whole = {text, len};
    return mig_string(whole);
}

mig_json mig_integer(int64_t number) {
    yyjson_mut_val value = {0};
    yyjson_mut_set_sint(&value, number);
    return built(&value);
}

mig_json mig_unsigned(uint64_t number) {
    yyjson_mut_val value = {0};
    yyjson_mut_set_uint(&value, number);
    return built(&value);
}

mig_json mig_real(double number) {
    yyjson_mut_val value = {0};
    yyjson_mut_set_real(&value, number);
    return built(&value);
}

mig_json mig_boolean(bool value) {
    return value ? written("true", 4) : written("false", 5);
}

mig_json mig_null(void) {
    return written("null", 4);
}

mig_json mig_value(const yyjson_val *value) {
    yyjson_alc alc = mig_arena_yyjson(&mig_batch);
    size_t len = 0;
    const char *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
    return written(text, len);
}

mig_json mig_built(const yyjson_mut_val *value) {
    return built(value);
}

mig_json mig_verbatim(mig_text json) {
    json = mig_keep(json);
    return written(json.ptr, json.len);
}

yyjson_mut_doc *mig_builder(void) {
    yyjson_alc alc = mig_arena_yyjson(&mig_scratch);
    return yyjson_mut_doc_new(&alc);
}
