/* What a bundle imports: the interface's imports as modules, under the names that other engines give them, too.
 *
 * While the bundle is loaded there is no host to ask. */
#include "batch.h"

/* Tells whether there is a host. If not, an exception says so. */
static bool has_host(JSContext *context, const char *what) {
    if (!engine_is_loading())
        return true;
    JS_ThrowPlainError(context, "there is no %s while the plugin is loaded", what);
    return false;
}

/* ---- context ---- */

static JSValue now(JSContext *context, JSValueConst self, int count, JSValueConst *words) {
    (void)self, (void)count, (void)words;
    /* It is the same for the whole run, and asking for it costs more than making an edit. */
    static double told;
    if (!has_host(context, "clock"))
        return JS_EXCEPTION;
    if (told == 0)
        told = (double)migration_plugin_context_now();
    return JS_NewNumber(context, told);
}

static JSValue optional_text_to_js(JSContext *context, bool is_some, wire_string_t text) {
    return is_some ? engine_text_to_js(context, text) : JS_UNDEFINED;
}

static JSValue param(JSContext *context, JSValueConst self, int count, JSValueConst *words) {
    (void)self, (void)count;
    wire_string_t name, found = {0};
    if (!has_host(context, "parameter") || !engine_read_text(context, words[0], &name))
        return JS_EXCEPTION;
    bool is_some = migration_plugin_context_param(&name, &found);
    return optional_text_to_js(context, is_some, found);
}

static JSValue secret(JSContext *context, JSValueConst self, int count, JSValueConst *words) {
    (void)self, (void)count;
    wire_string_t name, found = {0};
    if (!has_host(context, "secret") || !engine_read_text(context, words[0], &name))
        return JS_EXCEPTION;
    bool is_some = migration_plugin_context_secret(&name, &found);
    return optional_text_to_js(context, is_some, found);
}

static JSValue new_id(JSContext *context, JSValueConst self, int count, JSValueConst *words) {
    (void)self, (void)count;
    wire_string_t table, seed, id;
    if (!has_host(context, "new id") || !engine_read_text(context, words[0], &table) ||
        !engine_read_text(context, words[1], &seed))
        return JS_EXCEPTION;
    migration_plugin_context_new_id(&table, &seed, &id);
    return engine_text_to_js(context, id);
}

static const JSCFunctionListEntry of_context[] = {
    JS_CFUNC_DEF("now", 0, now),
    JS_CFUNC_DEF("param", 1, param),
    JS_CFUNC_DEF("secret", 1, secret),
    JS_CFUNC_DEF("newId", 2, new_id),
};

/* ---- log ---- */

static bool read_level(JSContext *context, JSValueConst value, void *to) {
    static const engine_name levels[] = {NAME_debug, NAME_info, NAME_warn, NAME_error};
    migration_plugin_log_level_t *level = to;
    size_t found = engine_read_name(context, value, levels, ENGINE_COUNT(levels));
    *level = (migration_plugin_log_level_t)found;
    return found < ENGINE_COUNT(levels);
}

static JSValue emit(JSContext *context, JSValueConst self, int count, JSValueConst *words) {
    (void)self, (void)count;
    migration_plugin_log_level_t level;
    wire_string_t message;
    uint32_t place;
    bool has_place = !JS_IsUndefined(words[2]) && !JS_IsNull(words[2]);
    if (!has_host(context, "log") || !read_level(context, words[0], &level) ||
        !engine_read_text(context, words[1], &message) || (has_place && !engine_read_number(context, words[2], &place)))
        return JS_EXCEPTION;
    migration_plugin_log_emit(level, &message, has_place ? &place : NULL);
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry of_log[] = {
    JS_CFUNC_DEF("emit", 3, emit),
};

/* ---- lookup ---- */

/* Throws an error of a lookup, as other engines do: an object with the error as its payload. */
static JSValue throw_error(JSContext *context, const migration_plugin_lookup_error_t *error) {
    static const char *const tags[] = {"not-granted", "unknown-table", "limit-exceeded", "store"};
    JSValue payload = JS_NewObject(context), thrown = JS_NewError(context);
    /* All errors have one text, at the same place of the union. */
    if (JS_IsException(payload) || JS_IsException(thrown) || error->tag >= ENGINE_COUNT(tags) ||
        JS_SetPropertyStr(context, payload, "tag", JS_NewString(context, tags[error->tag])) < 0 ||
        JS_SetPropertyStr(context, payload, "val", engine_text_to_js(context, error->val.store)) < 0) {
        JS_FreeValue(context, payload);
        JS_FreeValue(context, thrown);
        return JS_EXCEPTION;
    }
    if (JS_SetPropertyStr(context, thrown, "payload", payload) < 0) {
        JS_FreeValue(context, thrown);
        return JS_EXCEPTION;
    }
    return JS_Throw(context, thrown);
}

static JSValue get_many(JSContext *context, JSValueConst self, int count, JSValueConst *words) {
    (void)self, (void)count;
    wire_string_t table;
    wire_list_string_t ids;
    migration_plugin_lookup_list_option_document_t found;
    migration_plugin_lookup_error_t error;
    if (!has_host(context, "lookup") || !engine_read_text(context, words[0], &table) ||
        !engine_read_texts(context, words[1], &ids))
        return JS_EXCEPTION;
    if (!migration_plugin_lookup_get_many(&table, &ids, &found, &error))
        return throw_error(context, &error);
    JSValue list = JS_NewArray(context);
    for (uint32_t place = 0; place < found.len && !JS_IsException(list); place++) {
        const migration_plugin_lookup_option_document_t *one = &found.ptr[place];
        list = engine_append(context, list, place,
                             one->is_some ? engine_document_to_js(context, &one->val) : JS_UNDEFINED);
    }
    return list;
}

static bool read_queries(JSContext *context, JSValueConst value, void *to) {
    migration_plugin_lookup_list_list_condition_t *queries = to;
    return engine_read_list(context, value, engine_read_conditions, sizeof *queries->ptr, &queries->ptr,
                            &queries->len);
}

static JSValue find_many(JSContext *context, JSValueConst self, int count, JSValueConst *words) {
    (void)self, (void)count;
    wire_string_t table;
    uint32_t limit;
    migration_plugin_lookup_list_list_condition_t queries;
    migration_plugin_lookup_list_list_document_t found;
    migration_plugin_lookup_error_t error;
    if (!has_host(context, "lookup") || !engine_read_text(context, words[0], &table) ||
        !read_queries(context, words[1], &queries) || !engine_read_number(context, words[2], &limit))
        return JS_EXCEPTION;
    if (!migration_plugin_lookup_find_many(&table, &queries, limit, &found, &error))
        return throw_error(context, &error);
    JSValue list = JS_NewArray(context);
    for (uint32_t place = 0; place < found.len && !JS_IsException(list); place++) {
        list = engine_append(context, list, place,
                             engine_documents_to_js(context, found.ptr[place].ptr, found.ptr[place].len));
    }
    return list;
}

static const JSCFunctionListEntry of_lookup[] = {
    JS_CFUNC_DEF("getMany", 2, get_many),
    JS_CFUNC_DEF("findMany", 3, find_many),
};

/* ---- What the SDK asks of the engine ---- */

static JSValue place(JSContext *context, JSValueConst self, int count, JSValueConst *words) {
    (void)self, (void)count, (void)words;
    uint32_t found;
    return engine_document_place(&found) ? JS_NewUint32(context, found) : JS_UNDEFINED;
}

static JSValue body(JSContext *context, JSValueConst self, int count, JSValueConst *words) {
    (void)count, (void)words;
    return engine_context_body(context, self);
}

static const JSCFunctionListEntry of_engine[] = {
    JS_CFUNC_DEF("place", 0, place),
    JS_CFUNC_DEF("body", 0, body),
};

/* ---- Modules ---- */

#define MODULE(functions)                                                                                             \
    static int fill_##functions(JSContext *context, JSModuleDef *module) {                                            \
        return JS_SetModuleExportList(context, module, functions, ENGINE_COUNT(functions));                           \
    }                                                                                                                 \
    static bool add_##functions(JSContext *context, const char *name) {                                               \
        JSModuleDef *module = JS_NewCModule(context, name, fill_##functions);                                         \
        return module != NULL && JS_AddModuleExportList(context, module, functions, ENGINE_COUNT(functions)) == 0;    \
    }

MODULE(of_context)
MODULE(of_log)
MODULE(of_lookup)
MODULE(of_engine)

bool engine_add_imports(JSContext *context) {
    return add_of_context(context, "migration:plugin/context@0.1.0") &&
           add_of_log(context, "migration:plugin/log@0.1.0") &&
           add_of_lookup(context, "migration:plugin/lookup@0.1.0") && add_of_engine(context, "migration:sdk/engine");
}
