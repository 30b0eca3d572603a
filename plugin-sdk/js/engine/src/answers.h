/* What a transform returned, where that is what most return: a plain object of fields. */
#ifndef ENGINE_ANSWERS_H
#define ENGINE_ANSWERS_H

#include "document.h"

typedef enum engine_answered {
    /* The outcome is made. */
    ANSWERED,
    /* Only the SDK knows what it means. */
    LEFT_OPEN,
    /* An exception is pending: a getter's, for one. */
    ANSWER_THREW,
} engine_answered;

/* Makes an outcome of an answer to a document. */
engine_answered engine_read_answer(JSContext *context, JSValueConst answer, JSValueConst document,
                                   wire_outcome *outcome);

/* Learns what a plain object inherits from. Tells whether it could. */
bool engine_add_answers(JSContext *context);

#endif
