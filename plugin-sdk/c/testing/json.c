#include <stdlib.h>
#include <string.h>

#include "testing.h"

yyjson_mut_val *test_parse(yyjson_mut_doc *doc, mig_text text) {
    yyjson_doc *parsed = yyjson_read(text.ptr, text.len, YYJSON_READ_NUMBER_AS_RAW);
    if (parsed == NULL)
        return NULL;
    yyjson_mut_val *value = yyjson_val_mut_copy(doc, yyjson_doc_get_root(parsed));
    yyjson_doc_free(parsed);
    return value;
}

mig_text test_written(const yyjson_mut_val *value) {
    mig_text text = {"nothing", 7};
    if (value != NULL)
        text.ptr = yyjson_mut_val_write(value, YYJSON_WRITE_NOFLAG, &text.len);
    return text;
}

yyjson_mut_val *test_member(yyjson_mut_val *object, mig_text name) {
    yyjson_mut_val *found = NULL, *key;
    yyjson_mut_obj_iter members = yyjson_mut_obj_iter_with(object);
    while ((key = yyjson_mut_obj_iter_next(&members)) != NULL) {
        if (yyjson_mut_equals_strn(key, name.ptr, name.len))
            found = yyjson_mut_obj_iter_get_val(key);
    }
    return found;
}

yyjson_mut_val *test_string(yyjson_mut_doc *doc, mig_text text) {
    return yyjson_mut_strncpy(doc, text.ptr != NULL ? text.ptr : "", text.len);
}

void test_put(yyjson_mut_doc *doc, yyjson_mut_val *object, mig_text name, yyjson_mut_val *value) {
    yyjson_mut_val *key = test_string(doc, name);
    if (!yyjson_mut_obj_replace(object, key, value))
        yyjson_mut_obj_add(object, key, value);
}

bool test_take(yyjson_mut_val *object, mig_text name) {
    return yyjson_mut_obj_remove_keyn(object, name.ptr, name.len) != NULL;
}

yyjson_mut_val *test_at(yyjson_mut_val *value, mig_text pointer) {
    size_t at = 0;
    while (value != NULL && at < pointer.len) {
        mig_text token;
        if (!test_token(pointer, &at, &token))
            return NULL;
        value = yyjson_mut_is_arr(value) ? yyjson_mut_arr_get(value, test_index(token)) : test_member(value, token);
    }
    return value;
}

bool test_token(mig_text pointer, size_t *at, mig_text *token) {
    if (*at >= pointer.len || pointer.ptr[*at] != '/')
        return false;
    char *decoded = mig_alloc(pointer.len);
    size_t len = 0, i = *at + 1;
    for (; i < pointer.len && pointer.ptr[i] != '/'; i++) {
        char byte = pointer.ptr[i];
        if (byte == '~' && i + 1 < pointer.len)
            byte = pointer.ptr[++i] == '1' ? '/' : '~';
        decoded[len++] = byte;
    }
    token->ptr = decoded;
    token->len = len;
    *at = i;
    return true;
}

size_t test_index(mig_text token) {
    size_t index = 0;
    if (token.len == 0 || token.len > 9 || (token.len > 1 && token.ptr[0] == '0'))
        return SIZE_MAX;
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] < '0' || token.ptr[i] > '9')
            return SIZE_MAX;
        index = index * 10 + (size_t)(token.ptr[i] - '0');
    }
    return index;
}

/* With numbers as they are spelled, and strings without escapes, the texts tell. */
bool test_same(yyjson_mut_val *one, yyjson_mut_val *other) {
    if (one == NULL || other == NULL)
        return one == other;
    mig_text left = test_written(one), right = test_written(other);
    bool same = left.len == right.len && memcmp(left.ptr, right.ptr, left.len) == 0;
    free((char *)left.ptr);
    free((char *)right.ptr);
    return same;
}
