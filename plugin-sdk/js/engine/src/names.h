/* Names of properties, and tags of variants, that QuickJS is to know before they are asked for. */
#ifndef ENGINE_NAMES_H
#define ENGINE_NAMES_H

#include <stdbool.h>

#include "quickjs.h"

/* As C spells them, and as JavaScript does. */
#define ENGINE_NAMES(NAME)                                                                                            \
    NAME(at, "at")                                                                                                    \
    NAME(at_least, "at-least")                                                                                        \
    NAME(body, "body")                                                                                                \
    NAME(changes, "changes")                                                                                          \
    NAME(code, "code")                                                                                                \
    NAME(context, "context")                                                                                          \
    NAME(debug, "debug")                                                                                              \
    NAME(default, "default")                                                                                          \
    NAME(definition, "definition")                                                                                    \
    NAME(delete, "delete")                                                                                            \
    NAME(describe, "describe")                                                                                        \
    NAME(description, "description")                                                                                  \
    NAME(edit, "edit")                                                                                                \
    NAME(equals, "equals")                                                                                            \
    NAME(error, "error")                                                                                              \
    NAME(fail, "fail")                                                                                                \
    NAME(filter, "filter")                                                                                            \
    NAME(id, "id")                                                                                                    \
    NAME(info, "info")                                                                                                \
    NAME(insert, "insert")                                                                                            \
    NAME(less_than, "less-than")                                                                                      \
    NAME(message, "message")                                                                                          \
    NAME(missing, "missing")                                                                                          \
    NAME(name, "name")                                                                                                \
    NAME(not_equals, "not-equals")                                                                                    \
    NAME(one_of, "one-of")                                                                                            \
    NAME(present, "present")                                                                                          \
    NAME(reads, "reads")                                                                                              \
    NAME(remove, "remove")                                                                                            \
    NAME(rename, "rename")                                                                                            \
    NAME(replace, "replace")                                                                                          \
    NAME(revert, "revert")                                                                                            \
    NAME(run_after, "runAfter")                                                                                       \
    NAME(secrets, "secrets")                                                                                          \
    NAME(set, "set")                                                                                                  \
    NAME(settle, "settle")                                                                                            \
    NAME(skip, "skip")                                                                                                \
    NAME(table, "table")                                                                                              \
    NAME(tag, "tag")                                                                                                  \
    NAME(test, "test")                                                                                                \
    NAME(thrown, "thrown")                                                                                            \
    NAME(transform, "transform")                                                                                      \
    NAME(val, "val")                                                                                                  \
    NAME(version, "version")                                                                                          \
    NAME(warn, "warn")                                                                                                \
    NAME(writes, "writes")

typedef enum engine_name {
#define NAME(name, text) NAME_##name,
    ENGINE_NAMES(NAME)
#undef NAME
    NAME_COUNT
} engine_name;

extern JSAtom engine_atoms[NAME_COUNT];

/* Makes the atoms. Tells whether it could. */
bool engine_add_names(JSContext *context);

#endif
