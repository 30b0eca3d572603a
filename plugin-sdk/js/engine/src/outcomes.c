/* Outcomes, and the edits and changes in them. */
#include "engine.h"

static bool read_pointer_and_json(JSContext *context, JSValueConst value, void *to) {
    migration_plugin_types_tuple2_pointer_json_t *pair = to;
    return engine_read_element(context, value, 0, engine_read_text, &pair->f0) &&
           engine_read_element(context, value, 1, engine_read_text, &pair->f1);
}

static bool read_edit(JSContext *context, JSValueConst value, void *to) {
    static const engine_name tags[] = {NAME_set, NAME_remove, NAME_rename};
    wire_edit *edit = to;
    size_t tag = engine_read_tag(context, value, tags, ENGINE_COUNT(tags));
    if (tag == ENGINE_COUNT(tags))
        return false;
    edit->tag = (uint8_t)tag;
    switch (tag) {
    case MIGRATION_PLUGIN_TYPES_EDIT_REMOVE:
        return engine_read_member(context, value, NAME_val, engine_read_text, &edit->val.remove);
    default:
        /* Both of the others have two texts, at the same places of the union. */
        return engine_read_member(context, value, NAME_val, read_pointer_and_json, &edit->val.set);
    }
}

static bool read_edits(JSContext *context, JSValueConst value, void *to) {
    wire_edits *edits = to;
    return engine_read_list(context, value, read_edit, sizeof *edits->ptr, &edits->ptr, &edits->len);
}

static bool read_reference(JSContext *context, JSValueConst value, void *to) {
    migration_plugin_types_reference_t *reference = to;
    return engine_read_member(context, value, NAME_table, engine_read_text, &reference->table) &&
           engine_read_member(context, value, NAME_id, engine_read_text, &reference->id);
}

static bool read_insertion(JSContext *context, JSValueConst value, void *to) {
    migration_plugin_types_insertion_t *insertion = to;
    return engine_read_member(context, value, NAME_table, engine_read_text, &insertion->table) &&
           engine_read_member(context, value, NAME_id, engine_read_optional_text, &insertion->id) &&
           engine_read_member(context, value, NAME_body, engine_read_text, &insertion->body);
}

static bool read_reference_and_edits(JSContext *context, JSValueConst value, void *to) {
    migration_plugin_types_tuple2_reference_list_edit_t *pair = to;
    return engine_read_element(context, value, 0, read_reference, &pair->f0) &&
           engine_read_element(context, value, 1, read_edits, &pair->f1);
}

static bool read_reference_and_json(JSContext *context, JSValueConst value, void *to) {
    migration_plugin_types_tuple2_reference_json_t *pair = to;
    return engine_read_element(context, value, 0, read_reference, &pair->f0) &&
           engine_read_element(context, value, 1, engine_read_text, &pair->f1);
}

static bool read_change(JSContext *context, JSValueConst value, void *to) {
    static const engine_name tags[] = {NAME_insert, NAME_edit, NAME_replace, NAME_delete};
    wire_change *change = to;
    size_t tag = engine_read_tag(context, value, tags, ENGINE_COUNT(tags));
    change->tag = (uint8_t)tag;
    switch (tag) {
    case MIGRATION_PLUGIN_TYPES_CHANGE_INSERT:
        return engine_read_member(context, value, NAME_val, read_insertion, &change->val.insert);
    case MIGRATION_PLUGIN_TYPES_CHANGE_EDIT:
        return engine_read_member(context, value, NAME_val, read_reference_and_edits, &change->val.edit);
    case MIGRATION_PLUGIN_TYPES_CHANGE_REPLACE:
        return engine_read_member(context, value, NAME_val, read_reference_and_json, &change->val.replace);
    case MIGRATION_PLUGIN_TYPES_CHANGE_DELETE:
        return engine_read_member(context, value, NAME_val, read_reference, &change->val.delete_);
    default:
        return false;
    }
}

static bool read_changes(JSContext *context, JSValueConst value, void *to) {
    migration_plugin_types_list_change_t *changes = to;
    return engine_read_list(context, value, read_change, sizeof *changes->ptr, &changes->ptr, &changes->len);
}

static bool read_failure(JSContext *context, JSValueConst value, void *to) {
    migration_plugin_types_failure_t *failure = to;
    wire_option_string_t at;
    if (!engine_read_member(context, value, NAME_code, engine_read_text, &failure->code) ||
        !engine_read_member(context, value, NAME_message, engine_read_text, &failure->message) ||
        !engine_read_member(context, value, NAME_at, engine_read_optional_text, &at))
        return false;
    failure->at.is_some = at.is_some;
    failure->at.val = at.val;
    return true;
}

bool engine_read_outcome(JSContext *context, JSValueConst value, void *to) {
    static const engine_name tags[] = {NAME_skip, NAME_edit, NAME_replace, NAME_delete, NAME_changes, NAME_fail};
    wire_outcome *outcome = to;
    size_t tag = engine_read_tag(context, value, tags, ENGINE_COUNT(tags));
    outcome->tag = (uint8_t)tag;
    switch (tag) {
    case MIGRATION_PLUGIN_TYPES_OUTCOME_SKIP:
        return engine_read_member(context, value, NAME_val, engine_read_text, &outcome->val.skip);
    case MIGRATION_PLUGIN_TYPES_OUTCOME_EDIT:
        return engine_read_member(context, value, NAME_val, read_edits, &outcome->val.edit);
    case MIGRATION_PLUGIN_TYPES_OUTCOME_REPLACE:
        return engine_read_member(context, value, NAME_val, engine_read_text, &outcome->val.replace);
    case MIGRATION_PLUGIN_TYPES_OUTCOME_DELETE:
        return true;
    case MIGRATION_PLUGIN_TYPES_OUTCOME_CHANGES:
        return engine_read_member(context, value, NAME_val, read_changes, &outcome->val.changes);
    case MIGRATION_PLUGIN_TYPES_OUTCOME_FAIL:
        return engine_read_member(context, value, NAME_val, read_failure, &outcome->val.fail);
    default:
        return false;
    }
}
