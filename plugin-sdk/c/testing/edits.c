#include "testing.h"

/* The pointer without its last token, which is decoded. */
static bool parent_of(yyjson_mut_val *root, mig_text pointer, yyjson_mut_val **parent, mig_text *last) {
    size_t at = 0, before = 0;
    if (pointer.len == 0)
        return false;
    while (at < pointer.len) {
        before = at;
        if (!test_token(pointer, &at, last))
            return false;
    }
    mig_text path = {pointer.ptr, before};
    *parent = test_at(root, path);
    return *parent != NULL;
}

static bool set(yyjson_mut_doc *doc, yyjson_mut_val **root, mig_text pointer, yyjson_mut_val *value) {
    yyjson_mut_val *parent;
    mig_text last;
    if (pointer.len == 0) {
        *root = value;
        return true;
    }
    if (!parent_of(*root, pointer, &parent, &last))
        return false;
    if (yyjson_mut_is_arr(parent)) {
        if (mig_text_equals(last, "-"))
            return yyjson_mut_arr_append(parent, value);
        return yyjson_mut_arr_replace(parent, test_index(last), value) != NULL;
    }
    if (!yyjson_mut_is_obj(parent))
        return false;
    test_put(doc, parent, last, value);
    return true;
}

static bool take(yyjson_mut_val *root, mig_text pointer) {
    yyjson_mut_val *parent;
    mig_text last;
    if (!parent_of(root, pointer, &parent, &last))
        return false;
    if (yyjson_mut_is_arr(parent))
        return yyjson_mut_arr_remove(parent, test_index(last)) != NULL;
    return yyjson_mut_is_obj(parent) && test_take(parent, last);
}

static bool edit(yyjson_mut_doc *doc, yyjson_mut_val **root, const wire_edit *edit) {
    yyjson_mut_val *value;
    switch (edit->tag) {
    case MIGRATION_PLUGIN_TYPES_EDIT_SET:
        value = test_parse(doc, mig_of_wire(edit->val.set.f1));
        return value != NULL && set(doc, root, mig_of_wire(edit->val.set.f0), value);
    case MIGRATION_PLUGIN_TYPES_EDIT_REMOVE:
        return take(*root, mig_of_wire(edit->val.remove));
    default:
        value = test_at(*root, mig_of_wire(edit->val.rename.f0));
        if (value == NULL)
            return false;
        value = yyjson_mut_val_mut_copy(doc, value);
        return take(*root, mig_of_wire(edit->val.rename.f0)) &&
               set(doc, root, mig_of_wire(edit->val.rename.f1), value);
    }
}

yyjson_mut_val *test_edited(yyjson_mut_doc *doc, yyjson_mut_val *body, const migration_plugin_types_list_edit_t *edits,
                            const char **why) {
    yyjson_mut_val *edited = yyjson_mut_val_mut_copy(doc, body);
    for (size_t i = 0; i < edits->len; i++) {
        if (!edit(doc, &edited, &edits->ptr[i])) {
            /* The pointer comes first in each kind of edit. */
            *why = mig_join("the edit at ", mig_keep(mig_of_wire(edits->ptr[i].val.remove)).ptr, " does not apply");
            return NULL;
        }
    }
    return edited;
}
