#include "engine.h"

JSValue engine_text_to_js(JSContext *context, wire_string_t text) {
    return JS_NewStringLen(context, (const char *)text.ptr, text.len);
}

JSValue engine_document_to_js(JSContext *context, const wire_document *document) {
    const JSAtom names[] = {engine_atoms[NAME_id], engine_atoms[NAME_body]};
    const JSValue values[] = {engine_text_to_js(context, document->id), engine_text_to_js(context, document->body)};
    if (JS_IsException(values[0]) || JS_IsException(values[1])) {
        JS_FreeValue(context, values[0]);
        JS_FreeValue(context, values[1]);
        return JS_EXCEPTION;
    }
    return JS_NewObjectFrom(context, ENGINE_COUNT(names), names, values);
}

JSValue engine_append(JSContext *context, JSValue list, uint32_t place, JSValue element) {
    if (!JS_IsException(element) &&
        JS_DefinePropertyValueUint32(context, list, place, element, JS_PROP_C_W_E) >= 0)
        return list;
    JS_FreeValue(context, list);
    return JS_EXCEPTION;
}

JSValue engine_documents_to_js(JSContext *context, const wire_document *documents, size_t count) {
    JSValue list = JS_NewArray(context);
    for (uint32_t place = 0; place < count && !JS_IsException(list); place++)
        list = engine_append(context, list, place, engine_document_to_js(context, &documents[place]));
    return list;
}
