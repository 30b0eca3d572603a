/* What was thrown, in words. */
#include <string.h>

#include "engine.h"

/* A text of a value that is freed; empty where it has none. */
static const char *words(JSContext *context, JSValue value) {
    const char *text = JS_IsUndefined(value) || JS_IsException(value) ? NULL : JS_ToCString(context, value);
    JS_FreeValue(context, value);
    if (text == NULL)
        JS_FreeValue(context, JS_GetException(context));
    return text != NULL ? text : "";
}

const char *engine_exception(JSContext *context) {
    if (context == NULL)
        return "the engine cannot be started";
    JSValue thrown = JS_GetException(context);
    const char *message = words(context, JS_DupValue(context, thrown));
    const char *places =
        JS_IsError(thrown) ? words(context, JS_GetPropertyStr(context, thrown, "stack")) : "";
    JS_FreeValue(context, thrown);
    size_t length = strlen(message), more = strlen(places);
    char *text = engine_keep(length + 1 + more + 1, 1);
    memcpy(text, message, length);
    text[length] = '\n';
    memcpy(text + length + 1, places, more + 1);
    return text;
}
