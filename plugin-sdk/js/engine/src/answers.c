/* Edits that give a document the fields that a transform returned. It is `changed` of `outcomes.js`, for scalars that the
 * document surely had not, or surely had; the rest is left to it. */
#include "answers.h"

#include "fields.h"
#include "json.h"

static JSValue plain_prototype;

bool engine_add_answers(JSContext *context) {
    JSValue plain = JS_NewObject(context);
    plain_prototype = JS_GetPrototype(context, plain);
    JS_FreeValue(context, plain);
    return JS_IsObject(plain_prototype);
}

static bool is_plain(JSContext *context, JSValueConst answer) {
    if (!JS_IsObject(answer) || JS_IsProxy(answer))
        return false;
    JSValue prototype = JS_GetPrototype(context, answer);
    bool is_one = JS_IsStrictEqual(context, prototype, plain_prototype);
    JS_FreeValue(context, prototype);
    return is_one;
}

/* What a scalar is to the one that the document had. */
typedef enum likeness { OTHER, SAME, UNSURE, THREW } likeness;

/* The document may be parsed by this. */
static likeness compare(JSContext *context, JSValueConst document, JSAtom field, JSValueConst value) {
    const engine_document *unparsed = engine_document_of(document);
    JSPropertyDescriptor own;
    if (!JS_IsObject(document))
        return UNSURE;
    if (unparsed != NULL && engine_document_lacks(context, unparsed, field))
        return OTHER;
    int has_field = JS_GetOwnProperty(context, &own, document, field);
    if (has_field <= 0)
        return has_field < 0 ? THREW : OTHER;
    bool is_other = !JS_IsStrictEqual(context, own.value, value), is_value = (own.flags & JS_PROP_GETSET) == 0;
    JS_FreeValue(context, own.value);
    JS_FreeValue(context, own.getter);
    JS_FreeValue(context, own.setter);
    if (!is_value)
        return UNSURE;
    /* What was parsed may have been changed before. */
    return is_other ? OTHER : engine_document_of(document) != NULL ? SAME : UNSURE;
}

/* Adds the edit that gives the document this field, unless it has it so. */
static engine_answered add_edit(JSContext *context, JSValueConst document, JSAtom field, JSValueConst value,
                                wire_edits *edits) {
    wire_edit *edit = &edits->ptr[edits->len];
    if (!engine_is_scalar(value))
        return LEFT_OPEN;
    /* In a text without escapes a string has only one spelling: where it is the same, the host sees no change. */
    bool is_spelled_once = JS_IsString(value) && engine_document_of(document) != NULL;
    switch (is_spelled_once ? OTHER : compare(context, document, field, value)) {
    case THREW:
        return ANSWER_THREW;
    case UNSURE:
        return LEFT_OPEN;
    case SAME:
        return ANSWERED;
    case OTHER:
        break;
    }
    edit->tag = MIGRATION_PLUGIN_TYPES_EDIT_SET;
    if (!engine_field_pointer(context, field, &edit->val.set.f0) ||
        !engine_read_scalar(context, value, &edit->val.set.f1))
        return ANSWER_THREW;
    edits->len++;
    return ANSWERED;
}

engine_answered engine_read_answer(JSContext *context, JSValueConst answer, JSValueConst document,
                                   wire_outcome *outcome) {
    JSPropertyEnum *fields;
    uint32_t count;
    engine_answered answered = ANSWERED;
    if (!is_plain(context, answer))
        return LEFT_OPEN;
    if (JS_GetOwnPropertyNames(context, &fields, &count, answer, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return ANSWER_THREW;
    wire_edits *edits = &outcome->val.edit;
    outcome->tag = MIGRATION_PLUGIN_TYPES_OUTCOME_EDIT;
    edits->ptr = engine_keep(count * sizeof *edits->ptr, sizeof(void *));
    edits->len = 0;
    for (uint32_t i = 0; i < count && answered == ANSWERED; i++) {
        JSValue value = JS_GetProperty(context, answer, fields[i].atom);
        answered = JS_IsException(value) ? ANSWER_THREW
                                         : add_edit(context, document, fields[i].atom, value, edits);
        JS_FreeValue(context, value);
    }
    JS_FreePropertyEnum(context, fields, count);
    return answered;
}
