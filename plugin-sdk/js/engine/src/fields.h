/* What names of fields are in texts. */
#ifndef ENGINE_FIELDS_H
#define ENGINE_FIELDS_H

#include "engine.h"
#include "text.h"

/* The name as UTF-8, which lives until another one is asked for. Tells whether it could be had; a symbol has none, and
 * throws nothing. */
bool engine_field_name(JSContext *context, JSAtom field, engine_bytes *name);

/* The JSON Pointer to a top-level field, which lives as long as the instance. Tells whether it could be had. */
bool engine_field_pointer(JSContext *context, JSAtom field, wire_string_t *pointer);

#endif
