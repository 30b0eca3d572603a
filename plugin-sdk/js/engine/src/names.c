#include "names.h"

JSAtom engine_atoms[NAME_COUNT];

bool engine_add_names(JSContext *context) {
    static const char *const texts[] = {
#define NAME(name, text) text,
        ENGINE_NAMES(NAME)
#undef NAME
    };
    for (int name = 0; name < NAME_COUNT; name++) {
        engine_atoms[name] = JS_NewAtom(context, texts[name]);
        if (engine_atoms[name] == JS_ATOM_NULL)
            return false;
    }
    return true;
}
