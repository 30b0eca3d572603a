#include "batch.h"

#include "answers.h"
#include "document.h"

static bool is_at_work;
static uint32_t at_hand;

bool engine_document_place(uint32_t *place) {
    *place = at_hand;
    return is_at_work;
}

/* ---- What a transform is given besides its document ---- */

static JSClassID context_class;

bool engine_add_contexts(JSContext *context) {
    static const JSClassDef class = {"Context"};
    JSRuntime *runtime = JS_GetRuntime(context);
    return JS_NewClass(runtime, JS_NewClassID(runtime, &context_class), &class) == 0;
}

void engine_inherit_contexts(JSContext *context, JSValue prototype) {
    JS_SetClassProto(context, context_class, prototype);
}

JSValue engine_context_body(JSContext *context, JSValueConst value) {
    const wire_document *document = JS_GetOpaque(value, context_class);
    return document == NULL ? JS_UNDEFINED : engine_text_to_js(context, document->body);
}

static JSValue context_of(JSContext *context, const wire_document *document) {
    JSValue made = JS_NewObjectClass(context, context_class);
    if (JS_IsException(made))
        return made;
    JS_SetOpaque(made, (void *)document);
    if (JS_DefinePropertyValue(context, made, engine_atoms[NAME_id], engine_text_to_js(context, document->id),
                               JS_PROP_C_W_E) < 0) {
        JS_FreeValue(context, made);
        return JS_EXCEPTION;
    }
    return made;
}

/* ---- One document ---- */

/* Has a function of the SDK make the outcome. */
static bool ask_sdk(JSContext *context, JSValueConst function, int count, JSValueConst *words, wire_outcome *outcome) {
    JSValue answer = JS_Call(context, function, JS_UNDEFINED, count, words);
    bool is_read = !JS_IsException(answer) && engine_read_outcome(context, answer, outcome);
    JS_FreeValue(context, answer);
    return is_read;
}

/* Has the SDK make an outcome of what was thrown. */
static bool settle_exception(JSContext *context, wire_outcome *outcome) {
    JSValue thrown = JS_GetException(context);
    JSValueConst words[] = {thrown};
    bool is_settled = ask_sdk(context, engine_bundle.thrown, ENGINE_COUNT(words), words, outcome);
    JS_FreeValue(context, thrown);
    return is_settled;
}

/* Has the SDK make an outcome of what was returned. */
static bool settle_answer(JSContext *context, JSValueConst answer, JSValueConst document, const wire_document *wire,
                          wire_outcome *outcome) {
    JSValue body = engine_text_to_js(context, wire->body);
    JSValueConst words[] = {answer, document, body, JS_NewBool(context, engine_document_of(document) == NULL)};
    bool is_settled = !JS_IsException(body) && ask_sdk(context, engine_bundle.settle, ENGINE_COUNT(words), words, outcome);
    JS_FreeValue(context, body);
    return is_settled;
}

static bool run_one(JSContext *context, JSValueConst function, const wire_document *wire, wire_outcome *outcome) {
    JSValue document = engine_document_value(context, wire);
    JSValue about = JS_IsException(document) ? JS_EXCEPTION : context_of(context, wire);
    JSValue answer = JS_EXCEPTION;
    if (!JS_IsException(about)) {
        JSValueConst words[] = {document, about};
        answer = JS_Call(context, function, engine_bundle.definition, ENGINE_COUNT(words), words);
    }
    engine_answered answered =
        JS_IsException(answer) ? ANSWER_THREW : engine_read_answer(context, answer, document, outcome);
    bool is_settled = answered == ANSWERED ||
                      (answered == ANSWER_THREW ? settle_exception(context, outcome)
                                                : settle_answer(context, answer, document, wire, outcome));
    JS_FreeValue(context, answer);
    JS_FreeValue(context, about);
    JS_FreeValue(context, document);
    return is_settled;
}

bool engine_run_batch(JSContext *context, JSValueConst function, const wire_document *documents, size_t count,
                      wire_outcome *outcomes) {
    is_at_work = true;
    for (at_hand = 0; at_hand < count; at_hand++) {
        if (!run_one(context, function, &documents[at_hand], &outcomes[at_hand]))
            return false;
    }
    is_at_work = false;
    return true;
}
