/* The engine: QuickJS between the interface's host and a project's bundle.
 *
 * The bundle is an ES module, made by `build.mjs`. `load.c` runs it once, while the component is built; what it left
 * in memory becomes the component's own, so that an instance begins where loading ended. From then on the host calls
 * `exports.c`, and `batch.c` the migration, for each document: it is given the document unparsed (`document.c`), and the
 * fields that it returns become edits (`answers.c`). What else it may answer the SDK turns into an outcome, in
 * JavaScript, which `outcomes.c` and `to_wire.c` read. */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "names.h"
#include "quickjs.h"
#include "wire.h"

typedef migration_plugin_types_document_t wire_document;
typedef migration_plugin_types_condition_t wire_condition;
typedef migration_plugin_types_list_condition_t wire_conditions;
typedef migration_plugin_types_edit_t wire_edit;
typedef migration_plugin_types_list_edit_t wire_edits;
typedef migration_plugin_types_change_t wire_change;
typedef migration_plugin_types_outcome_t wire_outcome;
typedef migration_plugin_types_manifest_t wire_manifest;

/* ---- load.c ---- */

/* The only context; there is none before a bundle is loaded. */
extern JSContext *engine_context;

/* What the bundle exports: `quickjs.js` says what each is. `revert` is undefined where the migration has none. */
typedef struct engine_exports {
    JSValue definition, transform, revert;
    JSValue describe, settle, thrown;
} engine_exports;

extern engine_exports engine_bundle;

/* Whether the bundle is still being loaded: there is no host then. */
bool engine_is_loading(void);

/* ---- memory.c ---- */

/* Memory for what crosses the boundary, in both directions. It goes with the instance, which lives as long as a call. */
void *engine_keep(size_t size, size_t align);

extern const JSMallocFunctions engine_memory;

/* ---- imports.c ---- */

/* Makes modules of what the interface imports, and of what the SDK asks of the engine. Tells whether it could. */
bool engine_add_imports(JSContext *context);

/* ---- to_js.c: values of the interface as the SDK reads them ---- */

JSValue engine_text_to_js(JSContext *context, wire_string_t text);
JSValue engine_document_to_js(JSContext *context, const wire_document *document);
/* The list with another element, at its end; both are taken over. */
JSValue engine_append(JSContext *context, JSValue list, uint32_t place, JSValue element);
JSValue engine_documents_to_js(JSContext *context, const wire_document *documents, size_t count);

/* ---- to_wire.c, outcomes.c: what the SDK answers, as the interface has it ---- */

/* Reads a value into `to`, which is of the type that the function's name says. Tells whether the value was one. If not,
 * an exception says what is wrong with it. */
typedef bool engine_read(JSContext *context, JSValueConst value, void *to);

engine_read engine_read_text;
/* A list of texts. */
engine_read engine_read_texts;
/* Null and undefined are none. */
engine_read engine_read_optional_text;
/* A uint32_t. */
engine_read engine_read_number;
engine_read engine_read_conditions;
engine_read engine_read_manifest;
engine_read engine_read_outcome;

/* Reads a property of a value. */
bool engine_read_member(JSContext *context, JSValueConst value, engine_name name, engine_read *read, void *to);

/* Reads an element of an array. */
bool engine_read_element(JSContext *context, JSValueConst value, uint32_t place, engine_read *read, void *to);

/* Reads an array into memory of its own, where each element has `size` bytes. */
bool engine_read_list(JSContext *context, JSValueConst value, engine_read *read, size_t size, void *elements,
                      size_t *count);

/* The place of a text in a list of names; the number of names if it is none of them, with an exception. */
size_t engine_read_name(JSContext *context, JSValueConst value, const engine_name *names, size_t count);

/* The same for a variant's tag. */
size_t engine_read_tag(JSContext *context, JSValueConst value, const engine_name *names, size_t count);

/* ---- exceptions.c ---- */

/* What was thrown, and where: no longer pending, and ends with a NUL. Without a context there is no engine. */
const char *engine_exception(JSContext *context);

/* ---- exports.c ---- */

/* The manifest. If it cannot be had, an exception says why. */
bool engine_describe(JSContext *context, wire_manifest *manifest);

/* What the world `reversible-migration` exports besides. */
void engine_revert(exports_migration_plugin_transform_list_document_t *documents,
                   exports_migration_plugin_transform_list_outcome_t *outcomes);

#define ENGINE_COUNT(array) (sizeof(array) / sizeof *(array))

#endif
