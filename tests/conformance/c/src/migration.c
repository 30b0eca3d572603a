/* What `../README.md` says that a conformance plugin does. */
#include <migration.h>
#include <stdlib.h>
#include <string.h>

static void describe(mig_manifest *manifest) {
    manifest->name = "conformance";
    manifest->description = "Does what its document says";
    manifest->version = 1;
    manifest->table = "things";
    mig_only_if(manifest, mig_present("/do"));
    mig_reads(manifest, "facts");
    mig_writes(manifest, "others");
    mig_needs_secret(manifest, "KEY");
}

/* Sets one field, and nothing else. */
static mig_outcome set_only(const char *pointer, mig_json value) {
    mig_edits *edits = mig_edits_new();
    mig_set(edits, pointer, value);
    return mig_edit(edits);
}

static mig_outcome skip_for(mig_document *thing, mig_context *context) {
    (void)context;
    mig_text reason;
    MIG_TRY(mig_require_text(thing, "/reason", &reason));
    return mig_skip(reason.ptr);
}

static mig_outcome set_all(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    yyjson_mut_doc *builder = mig_builder();
    yyjson_mut_val *list = yyjson_mut_arr(builder), *object = yyjson_mut_obj(builder);
    yyjson_mut_arr_add_int(builder, list, 1);
    yyjson_mut_arr_add_str(builder, list, "two");
    yyjson_mut_arr_add_null(builder, list);
    yyjson_mut_obj_add_real(builder, yyjson_mut_obj_add_obj(builder, object, "a"), "b", 1.5);

    mig_edits *edits = mig_edits_new();
    mig_set(edits, "/flag", mig_boolean(true));
    mig_set(edits, "/list", mig_built(list));
    mig_set(edits, "/nothing", mig_null());
    mig_set(edits, "/number", mig_integer(42));
    mig_set(edits, "/object", mig_built(object));
    mig_set(edits, "/text", mig_string_c("text"));
    return mig_edit(edits);
}

static mig_outcome set_nested(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    return set_only("/address/city", mig_string_c("Paris"));
}

static mig_outcome append(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    return set_only("/list/-", mig_string_c("x"));
}

static mig_outcome touch(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    return set_only("/touched", mig_boolean(true));
}

static mig_outcome copy(mig_document *thing, mig_context *context) {
    (void)context;
    mig_text text;
    MIG_TRY(mig_require_text(thing, "/text", &text));
    return set_only("/copy", mig_string(text));
}

static mig_outcome count(mig_document *thing, mig_context *context) {
    (void)context;
    int64_t n;
    MIG_TRY(mig_require_integer(thing, "/n", &n));
    return set_only("/n", mig_integer(n + 1));
}

static mig_outcome remove_old(mig_document *thing, mig_context *context) {
    (void)context;
    if (!mig_has(thing, "/old"))
        return mig_skip("nothing to remove");
    mig_edits *edits = mig_edits_new();
    mig_remove(edits, "/old");
    return mig_edit(edits);
}

static mig_outcome rename_old(mig_document *thing, mig_context *context) {
    (void)context;
    if (!mig_has(thing, "/old"))
        return mig_skip("nothing to rename");
    mig_edits *edits = mig_edits_new();
    mig_rename(edits, "/old", "/new");
    return mig_edit(edits);
}

static mig_outcome replace(mig_document *thing, mig_context *context) {
    (void)context;
    mig_text text;
    MIG_TRY(mig_require_text(thing, "/text", &text));
    yyjson_mut_doc *builder = mig_builder();
    yyjson_mut_val *body = yyjson_mut_obj(builder);
    yyjson_mut_obj_add_str(builder, body, "do", "replaced");
    yyjson_mut_obj_add_strn(builder, body, "text", text.ptr, text.len);
    return mig_replace(mig_built(body));
}

static mig_outcome replaced(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    return mig_skip("replaced");
}

static mig_outcome delete(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    return mig_delete();
}

static mig_outcome change(mig_document *thing, mig_context *context) {
    (void)context;
    if (mig_has(thing, "/done"))
        return mig_skip("done");
    yyjson_mut_doc *builder = mig_builder();
    yyjson_mut_val *from = yyjson_mut_obj(builder);
    yyjson_mut_obj_add_strn(builder, from, "from", thing->id.ptr, thing->id.len);
    mig_edits *done = mig_edits_new(), *seen = mig_edits_new();
    mig_set(done, "/done", mig_boolean(true));
    mig_set(seen, "/seen", mig_boolean(true));

    mig_changes *changes = mig_changes_new();
    mig_edit_document(changes, "things", thing->id, done);
    mig_insert(changes, "others", mig_built(from));
    mig_insert_as(changes, "others", mig_text_of("given"), mig_verbatim(mig_text_of("{\"given\": true}")));
    mig_edit_document(changes, "others", mig_text_of("edited"), seen);
    mig_replace_document(changes, "others", mig_text_of("replaced"), mig_verbatim(mig_text_of("{\"new\": true}")));
    mig_delete_document(changes, "others", mig_text_of("deleted"));
    return mig_change(changes);
}

static mig_outcome refuse(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    return mig_fail("refused", "not this one", "/do");
}

static mig_outcome get(mig_document *thing, mig_context *context) {
    mig_text id, value;
    mig_document *fact;
    MIG_TRY(mig_require_text(thing, "/fact", &id));
    MIG_TRY(mig_get(context, "facts", id, &fact));
    if (fact == NULL)
        return mig_fail("no-fact", "no such fact", "/fact");
    MIG_TRY(mig_require_text(fact, "/value", &value));
    return set_only("/value", mig_string(value));
}

static mig_outcome find(mig_document *thing, mig_context *context) {
    mig_text kind;
    mig_documents facts;
    MIG_TRY(mig_require_text(thing, "/kind", &kind));
    mig_condition conditions[] = {mig_equals("/kind", mig_string(kind))};
    MIG_TRY(mig_find(context, "facts", conditions, MIG_COUNT(conditions), 2, &facts));
    yyjson_mut_doc *builder = mig_builder();
    yyjson_mut_val *ids = yyjson_mut_arr(builder);
    for (size_t i = 0; i < facts.count; i++)
        yyjson_mut_arr_add_strn(builder, ids, facts.items[i].id.ptr, facts.items[i].id.len);
    return set_only("/found", mig_built(ids));
}

static mig_outcome look_elsewhere(mig_document *thing, mig_context *context) {
    (void)thing;
    mig_document *found;
    MIG_TRY(mig_get(context, "elsewhere", mig_text_of("1"), &found));
    return mig_skip("it was granted");
}

static mig_outcome param(mig_document *thing, mig_context *context) {
    (void)thing;
    yyjson_val *phase = mig_param(context, "phase");
    if (phase == NULL)
        return mig_skip("no phase");
    return set_only("/phase", mig_value(phase));
}

static mig_outcome secret(mig_document *thing, mig_context *context) {
    (void)thing;
    mig_text key;
    if (!mig_secret(context, "KEY", &key))
        return mig_skip("no secret");
    return set_only("/secret", mig_string(key));
}

static mig_outcome now(mig_document *thing, mig_context *context) {
    (void)thing;
    return set_only("/at", mig_unsigned(mig_now(context)));
}

static mig_outcome new_id(mig_document *thing, mig_context *context) {
    mig_text seed;
    MIG_TRY(mig_require_text(thing, "/seed", &seed));
    return set_only("/ref", mig_string(mig_new_id(context, "others", seed)));
}

static mig_outcome write_log(mig_document *thing, mig_context *context) {
    (void)thing;
    mig_log(context, MIG_DEBUG, "one");
    mig_log(context, MIG_INFO, "two");
    mig_log(context, MIG_WARN, "three");
    mig_log(context, MIG_ERROR, "four");
    return mig_skip("logged");
}

/* C has nothing to throw: it gives up. */
static mig_outcome give_up(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    abort();
}

static mig_outcome trap(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    __builtin_trap();
}

static volatile uint32_t turns;

static mig_outcome loop(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    for (;;)
        turns++;
}

static uint32_t deeper(volatile uint32_t *outer) {
    volatile uint32_t inner = *outer + 1;
    return deeper(&inner) + inner;
}

static mig_outcome recurse(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    turns = deeper(&turns);
    return mig_skip("came back");
}

static mig_outcome leak(mig_document *thing, mig_context *context) {
    (void)thing;
    (void)context;
    static void *volatile kept;
    for (;;)
        kept = memset(malloc(1 << 16), 1, 1 << 16);
}

static const struct {
    const char *name;
    mig_function *function;
} answers[] = {
    {"skip", skip_for},      {"set", set_all},          {"nested", set_nested}, {"append", append},
    {"touch", touch},        {"copy", copy},            {"count", count},       {"remove", remove_old},
    {"rename", rename_old},  {"replace", replace},      {"replaced", replaced}, {"delete", delete},
    {"changes", change},     {"fail", refuse},          {"get", get},           {"find", find},
    {"ungranted", look_elsewhere}, {"param", param},    {"secret", secret},     {"now", now},
    {"new-id", new_id},      {"log", write_log},        {"throw", give_up},     {"trap", trap},
    {"loop", loop},          {"recurse", recurse},      {"leak", leak},
};

static mig_outcome transform(mig_document *thing, mig_context *context) {
    mig_text what;
    MIG_TRY(mig_require_text(thing, "/do", &what));
    for (size_t i = 0; i < MIG_COUNT(answers); i++) {
        if (mig_text_equals(what, answers[i].name))
            return answers[i].function(thing, context);
    }
    return mig_fail("unknown", "cannot do that", "/do");
}

static mig_outcome revert(mig_document *thing, mig_context *context) {
    (void)context;
    if (!mig_has(thing, "/done"))
        return mig_skip("not done");
    mig_edits *edits = mig_edits_new();
    mig_remove(edits, "/done");
    return mig_edit(edits);
}

MIG_EXPORT_REVERSIBLE(describe, transform, revert);
