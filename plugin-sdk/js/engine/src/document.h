/* The document at hand, which is parsed no further than it is read. */
#ifndef ENGINE_DOCUMENT_H
#define ENGINE_DOCUMENT_H

#include "engine.h"

/* Makes the class. Tells whether it could. */
bool engine_add_document(JSContext *context);

/* The document as a transform is given it: its value, parsed when it has to be. */
JSValue engine_document_value(JSContext *context, const wire_document *document);

/* What there is to know of a document while nobody has parsed it; NULL of everything else. */
typedef struct engine_document engine_document;

engine_document *engine_document_of(JSValueConst value);

/* Whether it surely has no such field. */
bool engine_document_lacks(JSContext *context, const engine_document *document, JSAtom field);

#endif
