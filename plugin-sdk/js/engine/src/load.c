/* Runs the bundle, once, while the component is built.
 *
 * `host build` reserves room for the bundle's text, writes it there, and has it loaded. What the memory holds then goes
 * into the component. */
#include <string.h>

#include "answers.h"
#include "batch.h"
#include "document.h"

JSContext *engine_context;
engine_exports engine_bundle;

static bool is_loading;

bool engine_is_loading(void) {
    return is_loading;
}

/* How much memory objects may take until what refers to itself is looked for: more than a batch takes as a rule. */
#define FIRST_COLLECTION ((size_t)16 << 20)

static bool start(void) {
    JSRuntime *runtime = JS_NewRuntime2(&engine_memory, NULL);
    engine_context = runtime == NULL ? NULL : JS_NewContext(runtime);
    if (engine_context == NULL)
        return false;
    JS_SetGCThreshold(runtime, FIRST_COLLECTION);
    return engine_add_names(engine_context) && engine_add_imports(engine_context) &&
           engine_add_document(engine_context) && engine_add_contexts(engine_context) &&
           engine_add_answers(engine_context);
}

/* Runs the module, and what it left to be done later. Tells whether nothing was thrown. */
static bool evaluate(JSContext *context, JSValue module) {
    JSValue promise = JS_EvalFunction(context, module);
    if (JS_IsException(promise))
        return false;
    JSContext *of_job;
    int ran;
    while ((ran = JS_ExecutePendingJob(JS_GetRuntime(context), &of_job)) > 0)
        ;
    if (ran < 0)
        return false;
    JSPromiseStateEnum state = JS_PromiseState(context, promise);
    if (state == JS_PROMISE_REJECTED)
        JS_Throw(context, JS_PromiseResult(context, promise));
    else if (state == JS_PROMISE_PENDING)
        JS_ThrowPlainError(context, "the project's modules wait for what never comes: a top-level `await`");
    JS_FreeValue(context, promise);
    return state == JS_PROMISE_FULFILLED;
}

/* Takes what the bundle exports. Tells whether all of it is there. */
static bool take_exports(JSContext *context, JSModuleDef *bundle) {
    const struct {
        engine_name name;
        JSValue *to;
    } parts[] = {
        {NAME_definition, &engine_bundle.definition}, {NAME_describe, &engine_bundle.describe},
        {NAME_settle, &engine_bundle.settle},         {NAME_thrown, &engine_bundle.thrown},
    };
    JSValue namespace = JS_GetModuleNamespace(context, bundle);
    JSValue exported = JS_GetProperty(context, namespace, engine_atoms[NAME_default]);
    JS_FreeValue(context, namespace);
    bool is_there = !JS_IsException(exported);
    for (size_t i = 0; i < ENGINE_COUNT(parts) && is_there; i++) {
        *parts[i].to = JS_GetProperty(context, exported, engine_atoms[parts[i].name]);
        is_there = !JS_IsException(*parts[i].to);
    }
    if (is_there) {
        engine_bundle.transform = JS_GetProperty(context, engine_bundle.definition, engine_atoms[NAME_transform]);
        engine_bundle.revert = JS_GetProperty(context, engine_bundle.definition, engine_atoms[NAME_revert]);
        engine_inherit_contexts(context, JS_GetProperty(context, exported, engine_atoms[NAME_context]));
    }
    JS_FreeValue(context, exported);
    return is_there && !JS_IsException(engine_bundle.transform) && !JS_IsException(engine_bundle.revert);
}

static bool load(const char *text, size_t length) {
    if (!start())
        return false;
    JSContext *context = engine_context;
    JSValue module = JS_Eval(context, text, length, "build/bundle.js", JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(module))
        return false;
    JSModuleDef *definition = JS_VALUE_GET_PTR(module);
    if (!evaluate(context, module))
        return false;
    wire_manifest manifest;
    return take_exports(context, definition) && engine_describe(context, &manifest);
}

/* ---- For `host build` ---- */

/* Room for a bundle of that length and the NUL behind it. */
__attribute__((export_name("engine_reserve"))) char *engine_reserve(size_t length) {
    char *text = engine_keep(length + 1, 1);
    text[length] = '\0';
    return text;
}

/* The address of the message that says why the bundle cannot be loaded, which ends with a NUL; 0 if it was. */
__attribute__((export_name("engine_load"))) const char *engine_load(char *text, size_t length) {
    is_loading = true;
    if (!load(text, length))
        return engine_exception(engine_context);
    JS_RunGC(JS_GetRuntime(engine_context));
    memset(text, 0, length);
    is_loading = false;
    return NULL;
}
