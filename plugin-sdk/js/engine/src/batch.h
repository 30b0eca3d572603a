/* From a batch to one document after the other. */
#ifndef ENGINE_BATCH_H
#define ENGINE_BATCH_H

#include "engine.h"

/* The place of the document at hand in its batch. Tells whether there is one. */
bool engine_document_place(uint32_t *place);

/* The text of the document that a context is about; undefined if it is none that the engine made. */
JSValue engine_context_body(JSContext *context, JSValueConst value);

/* Makes the class of contexts. Tells whether it could. */
bool engine_add_contexts(JSContext *context);

/* What contexts inherit from. */
void engine_inherit_contexts(JSContext *context, JSValue prototype);

/* Has a function of the migration say what becomes of each document. Where not even the SDK can tell, an exception says
 * why. */
bool engine_run_batch(JSContext *context, JSValueConst function, const wire_document *documents, size_t count,
                      wire_outcome *outcomes);

#endif
