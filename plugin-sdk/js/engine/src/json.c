#include "json.h"

#include <math.h>
#include <string.h>

bool engine_is_scalar(JSValueConst value) {
    if (JS_IsNumber(value))
        return JS_VALUE_GET_TAG(value) == JS_TAG_INT || isfinite(JS_VALUE_GET_FLOAT64(value));
    return JS_IsString(value) || JS_IsBool(value) || JS_IsNull(value);
}

/* Whether a text between quotes is its own JSON text. What is written with escapes there are control characters, quotes,
 * backslashes, and halves of surrogate pairs, which QuickJS spells as if UTF-8 had them. */
static bool is_plain(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)text[i];
        if (byte < ' ' || byte == '"' || byte == '\\')
            return false;
        if (byte == 0xed && i + 1 < len && (uint8_t)text[i + 1] >= 0xa0)
            return false;
    }
    return true;
}

static bool read_string(JSContext *context, JSValueConst value, wire_string_t *json) {
    size_t len;
    const char *text = JS_ToCStringLen(context, &len, value);
    if (text == NULL)
        return false;
    bool is_its_own = is_plain(text, len);
    if (is_its_own) {
        json->len = len + 2;
        json->ptr = engine_keep(json->len, 1);
        json->ptr[0] = '"';
        memcpy(json->ptr + 1, text, len);
        json->ptr[len + 1] = '"';
    }
    JS_FreeCString(context, text);
    if (is_its_own)
        return true;
    JSValue written = JS_JSONStringify(context, value, JS_UNDEFINED, JS_UNDEFINED);
    bool is_read = !JS_IsException(written) && engine_read_text(context, written, json);
    JS_FreeValue(context, written);
    return is_read;
}

bool engine_read_scalar(JSContext *context, JSValueConst value, void *to) {
    if (JS_IsString(value))
        return read_string(context, value, to);
    /* The others are spelled as JavaScript spells them. */
    JSValue written = JS_ToString(context, value);
    bool is_read = !JS_IsException(written) && engine_read_text(context, written, to);
    JS_FreeValue(context, written);
    return is_read;
}
