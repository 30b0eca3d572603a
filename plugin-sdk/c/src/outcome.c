/* What a transform answers. */
#include "sdk.h"

const mig_failure *mig_failure_new(const char *code, const char *message, const char *at) {
    mig_failure *failure = mig_arena_zeroed(&mig_batch, sizeof *failure);
    failure->wire.code = mig_keep_c(code);
    failure->wire.message = mig_keep_c(message);
    if (at != NULL) {
        failure->wire.at.is_some = true;
        failure->wire.at.val = mig_keep_c(at);
    }
    return failure;
}

static const mig_failure *unwritable(const char *at) {
    return mig_failure_new("invalid-value", "the value cannot be written as JSON", at);
}

/* A new outcome, and the way to it. */
static wire_outcome *answer(mig_outcome *outcome, uint8_t tag) {
    struct mig_answered *made = mig_arena_zeroed(&mig_batch, sizeof *made);
    made->wire.tag = tag;
    outcome->made = made;
    return &made->wire;
}

mig_outcome mig_skip(const char *reason) {
    mig_outcome outcome;
    answer(&outcome, MIGRATION_PLUGIN_TYPES_OUTCOME_SKIP)->val.skip = mig_keep_c(reason);
    return outcome;
}

mig_outcome mig_replace(mig_json body) {
    mig_outcome outcome;
    if (body.text.ptr == NULL)
        return mig_failed(unwritable(NULL));
    answer(&outcome, MIGRATION_PLUGIN_TYPES_OUTCOME_REPLACE)->val.replace = mig_to_wire(body.text);
    return outcome;
}

mig_outcome mig_delete(void) {
    mig_outcome outcome;
    answer(&outcome, MIGRATION_PLUGIN_TYPES_OUTCOME_DELETE);
    return outcome;
}

mig_outcome mig_failed(const mig_failure *failure) {
    mig_outcome outcome;
    answer(&outcome, MIGRATION_PLUGIN_TYPES_OUTCOME_FAIL)->val.fail = failure->wire;
    return outcome;
}

mig_outcome mig_fail(const char *code, const char *message, const char *at) {
    return mig_failed(mig_failure_new(code, message, at));
}

/* ---- Edits ---- */

struct mig_edits {
    migration_plugin_types_list_edit_t list;
    size_t capacity;
    /* The first value that cannot be written. */
    const mig_failure *failure;
};

mig_edits *mig_edits_new(void) {
    return mig_arena_zeroed(&mig_batch, sizeof(mig_edits));
}

static wire_edit *add_edit(mig_edits *edits, uint8_t tag) {
    edits->list.ptr = mig_more(edits->list.ptr, edits->list.len, &edits->capacity, sizeof(wire_edit));
    wire_edit *edit = &edits->list.ptr[edits->list.len++];
    *edit = (wire_edit){.tag = tag};
    return edit;
}

void mig_set(mig_edits *edits, const char *pointer, mig_json value) {
    if (value.text.ptr == NULL) {
        if (edits->failure == NULL)
            edits->failure = unwritable(pointer);
        return;
    }
    wire_edit *edit = add_edit(edits, MIGRATION_PLUGIN_TYPES_EDIT_SET);
    edit->val.set.f0 = mig_keep_c(pointer);
    edit->val.set.f1 = mig_to_wire(value.text);
}

void mig_remove(mig_edits *edits, const char *pointer) {
    add_edit(edits, MIGRATION_PLUGIN_TYPES_EDIT_REMOVE)->val.remove = mig_keep_c(pointer);
}

void mig_rename(mig_edits *edits, const char *from, const char *to) {
    wire_edit *edit = add_edit(edits, MIGRATION_PLUGIN_TYPES_EDIT_RENAME);
    edit->val.rename.f0 = mig_keep_c(from);
    edit->val.rename.f1 = mig_keep_c(to);
}

mig_outcome mig_edit(const mig_edits *edits) {
    mig_outcome outcome;
    if (edits->failure != NULL)
        return mig_failed(edits->failure);
    answer(&outcome, MIGRATION_PLUGIN_TYPES_OUTCOME_EDIT)->val.edit = edits->list;
    return outcome;
}

/* ---- Changes ---- */

struct mig_changes {
    migration_plugin_types_list_change_t list;
    size_t capacity;
    const mig_failure *failure;
};

mig_changes *mig_changes_new(void) {
    return mig_arena_zeroed(&mig_batch, sizeof(mig_changes));
}

static wire_change *add_change(mig_changes *changes, uint8_t tag) {
    changes->list.ptr = mig_more(changes->list.ptr, changes->list.len, &changes->capacity, sizeof(wire_change));
    wire_change *change = &changes->list.ptr[changes->list.len++];
    *change = (wire_change){.tag = tag};
    return change;
}

static void note(mig_changes *changes, const mig_failure *failure) {
    if (changes->failure == NULL)
        changes->failure = failure;
}

static migration_plugin_types_reference_t reference(const char *table, mig_text id) {
    migration_plugin_types_reference_t made = {mig_keep_c(table), mig_keep_wire(id)};
    return made;
}

/* `id` is NULL where the host derives one. */
static void insert(mig_changes *changes, const char *table, const mig_text *id, mig_json body) {
    if (body.text.ptr == NULL) {
        note(changes, unwritable(NULL));
        return;
    }
    migration_plugin_types_insertion_t *insertion =
        &add_change(changes, MIGRATION_PLUGIN_TYPES_CHANGE_INSERT)->val.insert;
    insertion->table = mig_keep_c(table);
    insertion->body = mig_to_wire(body.text);
    if (id != NULL) {
        insertion->id.is_some = true;
        insertion->id.val = mig_keep_wire(*id);
    }
}

void mig_insert(mig_changes *changes, const char *table, mig_json body) {
    insert(changes, table, NULL, body);
}

void mig_insert_as(mig_changes *changes, const char *table, mig_text id, mig_json body) {
    insert(changes, table, &id, body);
}

void mig_edit_document(mig_changes *changes, const char *table, mig_text id, const mig_edits *edits) {
    if (edits->failure != NULL) {
        note(changes, edits->failure);
        return;
    }
    wire_change *change = add_change(changes, MIGRATION_PLUGIN_TYPES_CHANGE_EDIT);
    change->val.edit.f0 = reference(table, id);
    change->val.edit.f1 = edits->list;
}

void mig_replace_document(mig_changes *changes, const char *table, mig_text id, mig_json body) {
    if (body.text.ptr == NULL) {
        note(changes, unwritable(NULL));
        return;
    }
    wire_change *change = add_change(changes, MIGRATION_PLUGIN_TYPES_CHANGE_REPLACE);
    change->val.replace.f0 = reference(table, id);
    change->val.replace.f1 = mig_to_wire(body.text);
}

void mig_delete_document(mig_changes *changes, const char *table, mig_text id) {
    add_change(changes, MIGRATION_PLUGIN_TYPES_CHANGE_DELETE)->val.delete_ = reference(table, id);
}

mig_outcome mig_change(const mig_changes *changes) {
    mig_outcome outcome;
    if (changes->failure != NULL)
        return mig_failed(changes->failure);
    answer(&outcome, MIGRATION_PLUGIN_TYPES_OUTCOME_CHANGES)->val.changes = changes->list;
    return outcome;
}
