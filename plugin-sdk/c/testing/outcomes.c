#include <stdio.h>

#include "testing.h"

static test_result skipped(const char *reason) {
    test_result result = {.kind = TEST_SKIPPED, .reason = mig_text_of(reason)};
    return result;
}

static test_result failed(const char *code, const char *message) {
    test_result result = {.kind = TEST_FAILED, .code = mig_text_of(code), .message = mig_text_of(message)};
    return result;
}

/* What a change names: its table, if the migration may write it, and its place there. */
static yyjson_mut_val *table_of(test_case *test, yyjson_mut_val *tables, wire_string_t name) {
    bool granted = mig_text_equals(mig_of_wire(name), test->manifest.table);
    for (size_t i = 0; i < test->manifest.writes.count; i++)
        granted = granted || mig_text_equals(mig_of_wire(name), test->manifest.writes.items[i]);
    return granted ? test_member(tables, mig_of_wire(name)) : NULL;
}

/* Puts the edited document into its place, or says why not. */
static const char *edit(test_case *test, yyjson_mut_val *table, mig_text id,
                        const migration_plugin_types_list_edit_t *edits, const char **message) {
    yyjson_mut_val *body = test_edited(test->doc, test_member(table, id), edits, message);
    if (body == NULL)
        return "invalid-edit";
    test_put(test->doc, table, id, body);
    return NULL;
}

static const char *replace(test_case *test, yyjson_mut_val *table, mig_text id, wire_string_t json,
                           const char **message) {
    yyjson_mut_val *body = test_parse(test->doc, mig_of_wire(json));
    *message = "the new body is no JSON";
    if (body == NULL)
        return "invalid-value";
    test_put(test->doc, table, id, body);
    return NULL;
}

static const char *insert(test_case *test, yyjson_mut_val *table, mig_text from, size_t ordinal,
                          const migration_plugin_types_insertion_t *insertion, const char **message) {
    char derived[37], number[21];
    mig_text id = mig_of_wire(insertion->id.val);
    if (!insertion->id.is_some) {
        snprintf(number, sizeof number, "%zu", ordinal);
        mig_text names[] = {mig_text_of("document"),      mig_text_of(test->manifest.name),
                            mig_of_wire(insertion->table), mig_text_of(test->manifest.table),
                            from,                          mig_text_of(number)};
        test_id(test->doc, names, MIG_COUNT(names), derived);
        id = mig_text_of(derived);
    }
    if (test_member(table, id) != NULL) {
        *message = "a document with this id exists already";
        return insertion->id.is_some ? "duplicate-id" : NULL;
    }
    return replace(test, table, id, insertion->body, message);
}

/* The reference, or the table alone, that a change is about. */
static migration_plugin_types_reference_t about(const wire_change *change) {
    migration_plugin_types_reference_t reference = {change->val.insert.table, {0}};
    if (change->tag != MIGRATION_PLUGIN_TYPES_CHANGE_INSERT)
        reference = change->val.delete_;
    return reference;
}

static const char *change(test_case *test, yyjson_mut_val *tables, mig_text from, size_t *ordinal,
                          const wire_change *change, const char **message) {
    migration_plugin_types_reference_t reference = about(change);
    mig_text id = mig_of_wire(reference.id);
    yyjson_mut_val *table = table_of(test, tables, reference.table);
    if (table == NULL) {
        *message = mig_join("the manifest does not declare ", mig_keep(mig_of_wire(reference.table)).ptr, "");
        return "not-granted";
    }
    if (change->tag == MIGRATION_PLUGIN_TYPES_CHANGE_INSERT)
        return insert(test, table, from, (*ordinal)++, &change->val.insert, message);
    if (test_member(table, id) == NULL) {
        *message = mig_join("there is no document ", mig_keep(id).ptr, "");
        return "unknown-document";
    }
    switch (change->tag) {
    case MIGRATION_PLUGIN_TYPES_CHANGE_EDIT:
        return edit(test, table, id, &change->val.edit.f1, message);
    case MIGRATION_PLUGIN_TYPES_CHANGE_REPLACE:
        return replace(test, table, id, change->val.replace.f1, message);
    default:
        test_take(table, id);
        return NULL;
    }
}

static const char *apply(test_case *test, yyjson_mut_val *tables, mig_text id, const wire_outcome *outcome,
                         const char **message) {
    yyjson_mut_val *own = test_member(tables, mig_text_of(test->manifest.table));
    size_t ordinal = 0;
    const char *code = NULL;
    switch (outcome->tag) {
    case MIGRATION_PLUGIN_TYPES_OUTCOME_EDIT:
        return edit(test, own, id, &outcome->val.edit, message);
    case MIGRATION_PLUGIN_TYPES_OUTCOME_REPLACE:
        return replace(test, own, id, outcome->val.replace, message);
    case MIGRATION_PLUGIN_TYPES_OUTCOME_DELETE:
        test_take(own, id);
        return NULL;
    default:
        for (size_t i = 0; i < outcome->val.changes.len && code == NULL; i++)
            code = change(test, tables, id, &ordinal, &outcome->val.changes.ptr[i], message);
        return code;
    }
}

test_result test_apply(test_case *test, mig_text id, const wire_outcome *outcome) {
    if (outcome->tag == MIGRATION_PLUGIN_TYPES_OUTCOME_SKIP)
        return skipped(mig_keep(mig_of_wire(outcome->val.skip)).ptr);
    if (outcome->tag == MIGRATION_PLUGIN_TYPES_OUTCOME_FAIL) {
        const migration_plugin_types_failure_t *failure = &outcome->val.fail;
        test_result result = {.kind = TEST_FAILED,
                              .code = mig_of_wire(failure->code),
                              .message = mig_of_wire(failure->message),
                              .at = mig_of_wire(failure->at.val),
                              .has_at = failure->at.is_some};
        return result;
    }
    yyjson_mut_val *tables = yyjson_mut_val_mut_copy(test->doc, test->tables);
    const char *message = "";
    const char *code = apply(test, tables, id, outcome, &message);
    if (code != NULL)
        return failed(code, message);
    if (test_same(tables, test->tables))
        return skipped("unchanged");
    test->tables = tables;
    test_result result = {.kind = TEST_CHANGED};
    return result;
}
