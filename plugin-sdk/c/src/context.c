/* What a transform can ask besides its document. */
#include "sdk.h"

uint64_t mig_now(mig_context *context) {
    (void)context;
    return migration_plugin_context_now();
}

yyjson_val *mig_param(mig_context *context, const char *name) {
    (void)context;
    wire_string_t asked = mig_to_wire(mig_text_of(name)), given = {0};
    if (!migration_plugin_context_param(&asked, &given))
        return NULL;
    yyjson_alc alc = mig_arena_yyjson(&mig_scratch);
    return yyjson_doc_get_root(
        yyjson_read_opts((char *)given.ptr, given.len, YYJSON_READ_BIGNUM_AS_RAW, &alc, NULL));
}

bool mig_secret(mig_context *context, const char *name, mig_text *secret) {
    (void)context;
    wire_string_t asked = mig_to_wire(mig_text_of(name)), given = {0};
    if (!migration_plugin_context_secret(&asked, &given))
        return false;
    *secret = mig_of_wire(given);
    return true;
}

mig_text mig_new_id(mig_context *context, const char *table, mig_text seed) {
    (void)context;
    wire_string_t of = mig_to_wire(mig_text_of(table)), from = mig_to_wire(seed), id = {0};
    migration_plugin_context_new_id(&of, &from, &id);
    return mig_of_wire(id);
}

void mig_log(mig_context *context, mig_level level, const char *message) {
    context->lines = mig_more(context->lines, context->line_count, &context->line_capacity, sizeof(mig_line));
    mig_line *line = &context->lines[context->line_count++];
    line->level = level;
    line->message = mig_keep(mig_text_of(message));
}

static const mig_failure *count_lookup(mig_context *context) {
    /* Known answers count, too: what a document may do must not depend on the others of its batch. */
    if (context->lookups++ < context->lookups_allowed)
        return NULL;
    return mig_failure_new("too-many-lookups", "the transform of one document looked up more often than it may", NULL);
}

static const mig_failure *settled(mig_context *context, const mig_question *question) {
    if (question->answered)
        return question->failure;
    context->waits = true;
    return mig_failure_new("waits", "the lookup has no answer yet", NULL);
}

const mig_failure *mig_get_many(mig_context *context, const char *table, const mig_text *ids, size_t count,
                                mig_document **found) {
    MIG_PASS(count_lookup(context));
    const mig_failure *first = NULL;
    /* All are asked for before the first that is not known yet makes the transform return. */
    for (size_t i = 0; i < count; i++) {
        mig_question *question = mig_ask_get(table, ids[i]);
        const mig_failure *failure = settled(context, question);
        found[i] = failure == NULL && question->found.count > 0 ? question->found.items : NULL;
        if (first == NULL)
            first = failure;
    }
    return first;
}

const mig_failure *mig_get(mig_context *context, const char *table, mig_text id, mig_document **found) {
    return mig_get_many(context, table, &id, 1, found);
}

const mig_failure *mig_find(mig_context *context, const char *table, const mig_condition *conditions, size_t count,
                            uint32_t limit, mig_documents *found) {
    MIG_PASS(count_lookup(context));
    mig_question *question = mig_ask_find(table, conditions, count, limit);
    *found = question->found;
    return settled(context, question);
}

const mig_failure *mig_find_one(mig_context *context, const char *table, const mig_condition *conditions, size_t count,
                                mig_document **found) {
    mig_documents all = {0};
    const mig_failure *failure = mig_find(context, table, conditions, count, 1, &all);
    *found = failure == NULL && all.count > 0 ? all.items : NULL;
    return failure;
}
