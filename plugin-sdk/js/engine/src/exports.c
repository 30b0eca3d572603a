/* What the host calls. Where the bundle throws, or answers what is no answer, nobody but the host can help: a trap loses
 * the document that is to blame, and no other. */
#include "batch.h"

bool engine_describe(JSContext *context, wire_manifest *manifest) {
    JSValue answer = JS_Call(context, engine_bundle.describe, JS_UNDEFINED, 0, NULL);
    bool is_read = !JS_IsException(answer) && engine_read_manifest(context, answer, manifest);
    JS_FreeValue(context, answer);
    return is_read;
}

void exports_migration_plugin_transform_describe(exports_migration_plugin_transform_manifest_t *manifest) {
    if (!engine_describe(engine_context, manifest))
        __builtin_trap();
}

static void run(JSValueConst function, const exports_migration_plugin_transform_list_document_t *documents,
                exports_migration_plugin_transform_list_outcome_t *outcomes) {
    outcomes->ptr = engine_keep(documents->len * sizeof *outcomes->ptr, sizeof(void *));
    outcomes->len = documents->len;
    if (!engine_run_batch(engine_context, function, documents->ptr, documents->len, outcomes->ptr))
        __builtin_trap();
}

void exports_migration_plugin_transform_transform(exports_migration_plugin_transform_list_document_t *documents,
                                                  exports_migration_plugin_transform_list_outcome_t *outcomes) {
    run(engine_bundle.transform, documents, outcomes);
}

void engine_revert(exports_migration_plugin_transform_list_document_t *documents,
                   exports_migration_plugin_transform_list_outcome_t *outcomes) {
    run(engine_bundle.revert, documents, outcomes);
}
