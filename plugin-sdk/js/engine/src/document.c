/* Most migrations read one or two fields of a document that has dozens. Finding a field in the text takes a small part
 * of the time that parsing all of it takes, so that is what reading one does, as long as the text leaves no doubt.
 * Whatever else is done with the document parses it, once; from then on it is what was parsed.
 *
 * `document.js` does the same for other engines. */
#include "document.h"

#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "text.h"

/* After so many fields that were looked for in the text, parsing it costs less than looking for another. */
#define SEARCHES 16

struct engine_document {
    /* The text of an object without escapes: there every quote begins or ends a string, and a string is spelled in one
     * way. */
    wire_string_t text;
    int searches;
    /* Undefined until it was parsed. */
    JSValue whole;
};

static JSClassID class_id;

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static JSValue parsed(JSContext *context, wire_string_t text) {
    /* JS_ParseJSON wants a NUL behind the text, where the host has put none. */
    char *copy = malloc(text.len + 1);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    JSValue value = JS_ParseJSON(context, copy, text.len, "<document>");
    free(copy);
    return value;
}

/* Makes sure that it is parsed. Tells whether it could. */
static bool complete(JSContext *context, engine_document *document) {
    if (JS_IsUndefined(document->whole)) {
        JSValue whole = parsed(context, document->text);
        if (JS_IsException(whole))
            return false;
        document->whole = whole;
    }
    return true;
}

/* ---- Fields in the text ---- */

/* Whether a place is in the text's own object, and in no other value within it. */
static bool is_top_level(wire_string_t text, size_t place) {
    size_t depth = 0;
    for (size_t at = 0; at < place; at++) {
        switch (text.ptr[at]) {
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            depth--;
            break;
        case '"': {
            const uint8_t *end = memchr(text.ptr + at + 1, '"', place - at - 1);
            /* The place is in a string. */
            if (end == NULL)
                return false;
            at = (size_t)(end - text.ptr);
            break;
        }
        }
    }
    return depth == 1;
}

/* The value of what is no string: a scalar, else it is undefined. */
static JSValue bare_scalar(JSContext *context, const uint8_t *from, const uint8_t *end) {
    /* Longer than every number that is one of JavaScript's. */
    char token[40];
    size_t len = 0;
    while (from + len < end && len < sizeof token - 1 && !is_blank(from[len]) && from[len] != ',' && from[len] != '}') {
        token[len] = (char)from[len];
        len++;
    }
    if (len == 0 || len == sizeof token - 1 || token[0] == '{' || token[0] == '[')
        return JS_UNDEFINED;
    token[len] = '\0';
    return JS_ParseJSON(context, token, len, "<document>");
}

typedef enum search { FOUND, ABSENT, UNKNOWN, THROWN } search;

/* Looks for the scalar that a top-level field has. */
static search find_scalar(JSContext *context, const engine_document *document, JSAtom field, JSValue *found) {
    wire_string_t text = document->text;
    engine_bytes name;
    size_t key;
    if (!engine_field_name(context, field, &name))
        return JS_HasException(context) ? THROWN : ABSENT;
    /* What stands behind a string's last quote cannot be told from a name that begins like it. */
    if (name.len == 0 || memchr(",:]} \t\n\r", name.ptr[0], 8) != NULL || engine_has_byte(name, '"'))
        return UNKNOWN;
    int count = engine_count_quoted((engine_bytes){text.ptr, text.len}, name, &key);
    if (count == 0)
        return ABSENT;
    /* Which of several counts only parsing tells. */
    if (count > 1 || !is_top_level(text, key))
        return UNKNOWN;
    const uint8_t *at = text.ptr + key + name.len + 2, *end = text.ptr + text.len;
    while (at < end && is_blank(*at))
        at++;
    /* It may be a value. */
    if (at == end || *at != ':')
        return UNKNOWN;
    for (at++; at < end && is_blank(*at); at++)
        ;
    if (at < end && *at == '"') {
        const uint8_t *quote = memchr(at + 1, '"', (size_t)(end - at - 1));
        *found = quote == NULL ? JS_UNDEFINED : JS_NewStringLen(context, (const char *)at + 1, (size_t)(quote - at - 1));
    } else {
        *found = bare_scalar(context, at, end);
    }
    return JS_IsException(*found) ? THROWN : JS_IsUndefined(*found) ? UNKNOWN : FOUND;
}

bool engine_document_lacks(JSContext *context, const engine_document *document, JSAtom field) {
    engine_bytes name;
    size_t first;
    return engine_field_name(context, field, &name) &&
           engine_count_quoted((engine_bytes){document->text.ptr, document->text.len}, name, &first) == 0;
}

/* ---- The object ---- */

static int get_own_property(JSContext *context, JSPropertyDescriptor *descriptor, JSValueConst object, JSAtom field) {
    engine_document *document = JS_GetOpaque(object, class_id);
    JSValue found = JS_UNDEFINED;
    search result = UNKNOWN;
    if (JS_IsUndefined(document->whole) && document->searches < SEARCHES) {
        document->searches++;
        result = find_scalar(context, document, field, &found);
    }
    switch (result) {
    case THROWN:
        return -1;
    case ABSENT:
        return false;
    case UNKNOWN:
        if (!complete(context, document))
            return -1;
        return JS_GetOwnProperty(context, descriptor, document->whole, field);
    case FOUND:
        break;
    }
    if (descriptor == NULL) {
        JS_FreeValue(context, found);
    } else {
        descriptor->flags = JS_PROP_C_W_E;
        descriptor->value = found;
        descriptor->getter = JS_UNDEFINED;
        descriptor->setter = JS_UNDEFINED;
    }
    return true;
}

static int get_own_property_names(JSContext *context, JSPropertyEnum **names, uint32_t *count, JSValueConst object) {
    engine_document *document = JS_GetOpaque(object, class_id);
    if (!complete(context, document))
        return -1;
    return JS_GetOwnPropertyNames(context, names, count, document->whole, JS_GPN_STRING_MASK | JS_GPN_SYMBOL_MASK);
}

static int delete_property(JSContext *context, JSValueConst object, JSAtom field) {
    engine_document *document = JS_GetOpaque(object, class_id);
    return complete(context, document) ? JS_DeleteProperty(context, document->whole, field, 0) : -1;
}

static int define_own_property(JSContext *context, JSValueConst object, JSAtom field, JSValueConst value,
                               JSValueConst getter, JSValueConst setter, int flags) {
    engine_document *document = JS_GetOpaque(object, class_id);
    if (!complete(context, document))
        return -1;
    /* QuickJS notes at this object that it was sealed or frozen. */
    if (!JS_IsExtensible(context, object) && JS_PreventExtensions(context, document->whole) < 0)
        return -1;
    return JS_DefineProperty(context, document->whole, field, value, getter, setter, flags);
}

static void finalize(JSRuntime *runtime, JSValueConst object) {
    engine_document *document = JS_GetOpaque(object, class_id);
    if (document != NULL)
        JS_FreeValueRT(runtime, document->whole);
    js_free_rt(runtime, document);
}

static void mark(JSRuntime *runtime, JSValueConst object, JS_MarkFunc *mark_value) {
    engine_document *document = JS_GetOpaque(object, class_id);
    if (document != NULL)
        JS_MarkValue(runtime, document->whole, mark_value);
}

bool engine_add_document(JSContext *context) {
    static JSClassExoticMethods exotic = {
        .get_own_property = get_own_property,
        .get_own_property_names = get_own_property_names,
        .delete_property = delete_property,
        .define_own_property = define_own_property,
    };
    static const JSClassDef class = {"Object", .finalizer = finalize, .gc_mark = mark, .exotic = &exotic};
    JSValue plain = JS_NewObject(context);
    if (JS_IsException(plain) || JS_NewClass(JS_GetRuntime(context), JS_NewClassID(JS_GetRuntime(context), &class_id), &class) < 0)
        return false;
    /* It inherits from what any object inherits from. */
    JS_SetClassProto(context, class_id, JS_GetPrototype(context, plain));
    JS_FreeValue(context, plain);
    return true;
}

engine_document *engine_document_of(JSValueConst value) {
    engine_document *document = JS_GetOpaque(value, class_id);
    return document != NULL && JS_IsUndefined(document->whole) ? document : NULL;
}

JSValue engine_document_value(JSContext *context, const wire_document *wire) {
    wire_string_t text = wire->body;
    if (text.len == 0 || text.ptr[0] != '{' || engine_has_byte((engine_bytes){text.ptr, text.len}, '\\'))
        return parsed(context, text);
    engine_document *document = js_malloc(context, sizeof *document);
    if (document == NULL)
        return JS_EXCEPTION;
    *document = (engine_document){.text = text, .searches = 0, .whole = JS_UNDEFINED};
    JSValue object = JS_NewObjectClass(context, class_id);
    if (JS_IsException(object))
        js_free(context, document);
    else
        JS_SetOpaque(object, document);
    return object;
}
