/* Documents have the same fields, one after the other: what was made of a name is kept for the next. */
#include "fields.h"

#include <stdlib.h>
#include <string.h>

typedef struct field {
    /* Ours, so that no other name gets the same number. */
    JSAtom atom;
    /* QuickJS's own text; NULL for a symbol. */
    const char *name;
    size_t len;
    /* Not made yet while it has no address. */
    wire_string_t pointer;
} field;

/* A power of two. */
#define FIELDS 64

static field fields[FIELDS];

static bool is_symbol(JSContext *context, JSAtom atom) {
    JSValue value = JS_AtomToValue(context, atom);
    bool is_one = JS_IsSymbol(value);
    JS_FreeValue(context, value);
    return is_one;
}

static field *field_of(JSContext *context, JSAtom atom) {
    field *found = &fields[atom % FIELDS];
    if (found->atom == atom)
        return found;
    if (found->atom != JS_ATOM_NULL) {
        JS_FreeAtom(context, found->atom);
        if (found->name != NULL)
            JS_FreeCString(context, found->name);
    }
    memset(found, 0, sizeof *found);
    if (!is_symbol(context, atom)) {
        found->name = JS_AtomToCStringLen(context, &found->len, atom);
        if (found->name == NULL)
            return NULL;
    }
    found->atom = JS_DupAtom(context, atom);
    return found;
}

bool engine_field_name(JSContext *context, JSAtom atom, engine_bytes *name) {
    const field *found = field_of(context, atom);
    if (found == NULL || found->name == NULL)
        return false;
    *name = (engine_bytes){(const uint8_t *)found->name, found->len};
    return true;
}

bool engine_field_pointer(JSContext *context, JSAtom atom, wire_string_t *pointer) {
    field *found = field_of(context, atom);
    if (found == NULL || found->name == NULL)
        return false;
    if (found->pointer.ptr == NULL) {
        /* Each byte may need two. */
        uint8_t *end = engine_keep(1 + 2 * found->len, 1);
        found->pointer.ptr = end;
        *end++ = '/';
        for (size_t i = 0; i < found->len; i++) {
            char byte = found->name[i];
            bool is_escaped = byte == '~' || byte == '/';
            *end++ = is_escaped ? '~' : (uint8_t)byte;
            if (is_escaped)
                *end++ = byte == '~' ? '0' : '1';
        }
        found->pointer.len = (size_t)(end - found->pointer.ptr);
    }
    *pointer = found->pointer;
    return true;
}
