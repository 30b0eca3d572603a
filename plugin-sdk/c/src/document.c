/* Reading a document. */
#include <string.h>

#include "sdk.h"

struct mig_parsed {
    mig_arena *arena;
    bool tried;
    /* NULL: not yet, or it is no JSON. */
    yyjson_doc *tree;
};

void mig_document_init(mig_document *document, wire_document wire, mig_arena *arena) {
    document->id = mig_of_wire(wire.id);
    document->body = mig_of_wire(wire.body);
    document->parsed = mig_arena_zeroed(arena, sizeof *document->parsed);
    document->parsed->arena = arena;
}

static yyjson_doc *parse(const mig_document *document, yyjson_read_flag flags, mig_arena *arena) {
    yyjson_alc alc = mig_arena_yyjson(arena);
    /* Without YYJSON_READ_INSITU the text is only read. */
    return yyjson_read_opts((char *)document->body.ptr, document->body.len, flags, &alc, NULL);
}

/* Whether a key is what a token of a pointer spells, with `~1` for `/` and `~0` for `~`. */
static bool names(const char *token, size_t token_len, const char *key, size_t key_len) {
    size_t at = 0;
    for (size_t i = 0; i < token_len; i++, at++) {
        char byte = token[i];
        if (byte == '~' && i + 1 < token_len) {
            i++;
            byte = token[i] == '1' ? '/' : '~';
        }
        if (at >= key_len || key[at] != byte)
            return false;
    }
    return at == key_len;
}

/* The element's number, or SIZE_MAX where the token is none. */
static size_t index_of(const char *token, size_t len) {
    size_t index = 0;
    if (len == 0 || len > 9 || (len > 1 && token[0] == '0'))
        return SIZE_MAX;
    for (size_t i = 0; i < len; i++) {
        if (token[i] < '0' || token[i] > '9')
            return SIZE_MAX;
        index = index * 10 + (size_t)(token[i] - '0');
    }
    return index;
}

static yyjson_val *step(yyjson_val *from, const char *token, size_t len) {
    if (yyjson_is_arr(from))
        return yyjson_arr_get(from, index_of(token, len));
    yyjson_val *found = NULL, *key;
    yyjson_obj_iter members = yyjson_obj_iter_with(from);
    while ((key = yyjson_obj_iter_next(&members)) != NULL) {
        if (names(token, len, yyjson_get_str(key), yyjson_get_len(key)))
            found = yyjson_obj_iter_get_val(key);
    }
    return found;
}

static yyjson_val *resolve(yyjson_val *value, const char *pointer) {
    while (value != NULL && *pointer == '/') {
        pointer++;
        size_t len = strcspn(pointer, "/");
        value = step(value, pointer, len);
        pointer += len;
    }
    return *pointer == '\0' ? value : NULL;
}

yyjson_val *mig_at(mig_document *document, const char *pointer) {
    struct mig_parsed *parsed = document->parsed;
    if (!parsed->tried) {
        parsed->tried = true;
        parsed->tree = parse(document, YYJSON_READ_BIGNUM_AS_RAW, parsed->arena);
    }
    return resolve(yyjson_doc_get_root(parsed->tree), pointer);
}

bool mig_has(mig_document *document, const char *pointer) {
    return mig_at(document, pointer) != NULL;
}

static const mig_failure *missing(const char *pointer) {
    return mig_failure_new("missing-field", mig_join("there is no ", pointer, ""), pointer);
}

const mig_failure *mig_raw(mig_document *document, const char *pointer, mig_json *value) {
    yyjson_doc *tree = parse(document, YYJSON_READ_NUMBER_AS_RAW, &mig_scratch);
    yyjson_val *found = resolve(yyjson_doc_get_root(tree), pointer);
    if (found == NULL)
        return missing(pointer);
    *value = mig_value(found);
    return NULL;
}

/* A value that is there and not null, or why not. */
static const mig_failure *require(mig_document *document, const char *pointer, yyjson_val **value) {
    *value = mig_at(document, pointer);
    if (document->parsed->tree == NULL)
        return mig_failure_new("invalid-document", "the body is no JSON", NULL);
    if (*value == NULL || yyjson_is_null(*value))
        return missing(pointer);
    return NULL;
}

static const mig_failure *another_type(const char *pointer, yyjson_val *value, const char *expected) {
    const char *found = yyjson_is_str(value)    ? "a string"
                        : yyjson_is_bool(value) ? "a boolean"
                        : yyjson_is_obj(value)  ? "an object"
                        : yyjson_is_arr(value)  ? "an array"
                                                : "a number";
    const char *message = mig_join(mig_join("invalid type: ", found, ", expected "), expected, "");
    return mig_failure_new("invalid-field", message, pointer);
}

const mig_failure *mig_require_text(mig_document *document, const char *pointer, mig_text *text) {
    yyjson_val *value;
    const mig_failure *failure = require(document, pointer, &value);
    if (failure != NULL)
        return failure;
    if (!yyjson_is_str(value))
        return another_type(pointer, value, "a string");
    text->ptr = yyjson_get_str(value);
    text->len = yyjson_get_len(value);
    return NULL;
}

const mig_failure *mig_require_integer(mig_document *document, const char *pointer, int64_t *number) {
    yyjson_val *value;
    const mig_failure *failure = require(document, pointer, &value);
    if (failure != NULL)
        return failure;
    if (!yyjson_is_sint(value) && !(yyjson_is_uint(value) && yyjson_get_uint(value) <= INT64_MAX))
        return another_type(pointer, value, "an integer of 64 bits");
    *number = yyjson_get_sint(value);
    return NULL;
}

const mig_failure *mig_require_unsigned(mig_document *document, const char *pointer, uint64_t *number) {
    yyjson_val *value;
    const mig_failure *failure = require(document, pointer, &value);
    if (failure != NULL)
        return failure;
    if (!yyjson_is_uint(value))
        return another_type(pointer, value, "an unsigned integer of 64 bits");
    *number = yyjson_get_uint(value);
    return NULL;
}

const mig_failure *mig_require_real(mig_document *document, const char *pointer, double *number) {
    yyjson_val *value;
    const mig_failure *failure = require(document, pointer, &value);
    if (failure != NULL)
        return failure;
    if (!yyjson_is_num(value))
        return another_type(pointer, value, "a number");
    *number = yyjson_get_num(value);
    return NULL;
}

const mig_failure *mig_require_boolean(mig_document *document, const char *pointer, bool *truth) {
    yyjson_val *value;
    const mig_failure *failure = require(document, pointer, &value);
    if (failure != NULL)
        return failure;
    if (!yyjson_is_bool(value))
        return another_type(pointer, value, "true or false");
    *truth = yyjson_get_bool(value);
    return NULL;
}
