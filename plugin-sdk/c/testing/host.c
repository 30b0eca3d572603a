/* The functions that the sandbox's host would answer, over the case's tables. */
#include <stdlib.h>
#include <string.h>

#include "testing.h"

test_case *test_now;

static wire_string_t kept(mig_text text) {
    return mig_keep_wire(text);
}

static wire_document lent(mig_text id, yyjson_mut_val *body) {
    mig_text text = test_written(body);
    wire_document document = {kept(id), kept(text)};
    free((char *)text.ptr);
    return document;
}

static bool reads(wire_string_t table) {
    const mig_names *names = &test_now->manifest.reads;
    for (size_t i = 0; i < names->count; i++) {
        if (mig_text_equals(mig_of_wire(table), names->items[i]))
            return true;
    }
    return false;
}

static void not_granted(wire_string_t table, migration_plugin_lookup_error_t *error) {
    error->tag = MIGRATION_PLUGIN_LOOKUP_ERROR_NOT_GRANTED;
    error->val.not_granted = kept(mig_of_wire(table));
}

bool migration_plugin_lookup_get_many(wire_string_t *table, wire_list_string_t *ids,
                                      migration_plugin_lookup_list_option_document_t *found,
                                      migration_plugin_lookup_error_t *error) {
    if (!reads(*table)) {
        not_granted(*table, error);
        return false;
    }
    yyjson_mut_val *documents = test_member(test_now->tables, mig_of_wire(*table));
    found->len = ids->len;
    found->ptr = mig_arena_zeroed(&mig_batch, ids->len * sizeof *found->ptr);
    for (size_t i = 0; i < ids->len; i++) {
        yyjson_mut_val *body = test_member(documents, mig_of_wire(ids->ptr[i]));
        found->ptr[i].is_some = body != NULL;
        if (body != NULL)
            found->ptr[i].val = lent(mig_of_wire(ids->ptr[i]), body);
    }
    return true;
}

static int by_id(const void *one, const void *other) {
    yyjson_mut_val *left = *(yyjson_mut_val *const *)one, *right = *(yyjson_mut_val *const *)other;
    return strcmp(yyjson_mut_get_str(left), yyjson_mut_get_str(right));
}

static migration_plugin_lookup_list_document_t find(yyjson_mut_val *documents,
                                                    migration_plugin_lookup_list_condition_t query, uint32_t limit) {
    size_t count = yyjson_mut_obj_size(documents), at = 0;
    yyjson_mut_val **keys = mig_arena_alloc(&mig_batch, count * sizeof *keys, sizeof(void *)), *key;
    yyjson_mut_obj_iter members = yyjson_mut_obj_iter_with(documents);
    while ((key = yyjson_mut_obj_iter_next(&members)) != NULL)
        keys[at++] = key;
    qsort(keys, count, sizeof *keys, by_id);
    migration_plugin_lookup_list_document_t found = {
        mig_arena_alloc(&mig_batch, count * sizeof *found.ptr, sizeof(void *)), 0};
    for (size_t i = 0; i < count && found.len < limit; i++) {
        yyjson_mut_val *body = yyjson_mut_obj_iter_get_val(keys[i]);
        mig_text id = {yyjson_mut_get_str(keys[i]), yyjson_mut_get_len(keys[i])};
        if (test_meets(body, query.ptr, query.len))
            found.ptr[found.len++] = lent(id, body);
    }
    return found;
}

bool migration_plugin_lookup_find_many(wire_string_t *table, migration_plugin_lookup_list_list_condition_t *queries,
                                       uint32_t limit, migration_plugin_lookup_list_list_document_t *found,
                                       migration_plugin_lookup_error_t *error) {
    if (!reads(*table)) {
        not_granted(*table, error);
        return false;
    }
    yyjson_mut_val *documents = test_member(test_now->tables, mig_of_wire(*table));
    found->len = queries->len;
    found->ptr = mig_arena_zeroed(&mig_batch, queries->len * sizeof *found->ptr);
    for (size_t i = 0; i < queries->len; i++)
        found->ptr[i] = find(documents, queries->ptr[i], limit);
    return true;
}

uint64_t migration_plugin_context_now(void) {
    return test_now->now;
}

bool migration_plugin_context_param(wire_string_t *name, migration_plugin_context_json_t *value) {
    yyjson_mut_val *given = test_member(test_now->params, mig_of_wire(*name));
    if (given == NULL)
        return false;
    *value = lent(mig_text_of(""), given).body;
    return true;
}

bool migration_plugin_context_secret(wire_string_t *name, wire_string_t *secret) {
    yyjson_mut_val *given = test_member(test_now->secrets, mig_of_wire(*name));
    const mig_names *declared = &test_now->manifest.secrets;
    for (size_t i = 0; given != NULL && i < declared->count; i++) {
        if (mig_text_equals(mig_of_wire(*name), declared->items[i])) {
            mig_text text = {yyjson_mut_get_str(given), yyjson_mut_get_len(given)};
            *secret = kept(text);
            return true;
        }
    }
    return false;
}

void migration_plugin_context_new_id(wire_string_t *table, wire_string_t *seed, wire_string_t *id) {
    mig_text names[] = {mig_text_of("seed"), mig_text_of(test_now->manifest.name), mig_of_wire(*table),
                        mig_of_wire(*seed)};
    char made[37];
    test_id(test_now->doc, names, MIG_COUNT(names), made);
    *id = kept(mig_text_of(made));
}

void migration_plugin_log_emit(migration_plugin_log_level_t level, wire_string_t *message, uint32_t *document) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (document == NULL)
        return;
    yyjson_mut_val *line = yyjson_mut_obj(test_now->doc);
    test_put(test_now->doc, line, mig_text_of(names[level]), test_string(test_now->doc, mig_of_wire(*message)));
    yyjson_mut_arr_append(yyjson_mut_arr_get(test_now->logs, *document), line);
}
