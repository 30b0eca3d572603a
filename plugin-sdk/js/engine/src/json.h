/* JSON texts of scalars. */
#ifndef ENGINE_JSON_H
#define ENGINE_JSON_H

#include "engine.h"

/* Whether a value is one that `engine_read_scalar` can write: null, true, false, a finite number, a text. */
bool engine_is_scalar(JSValueConst value);

/* Writes a scalar's JSON text, as JSON.stringify does. */
engine_read engine_read_scalar;

#endif
