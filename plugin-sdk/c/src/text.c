#include <string.h>

#include "sdk.h"

mig_text mig_text_of(const char *text) {
    mig_text whole = {text != NULL ? text : "", text != NULL ? strlen(text) : 0};
    return whole;
}

bool mig_text_equals(mig_text text, const char *other) {
    size_t len = strlen(other);
    return text.len == len && memcmp(text.ptr, other, len) == 0;
}

const char *mig_join(const char *one, const char *two, const char *three) {
    size_t first = strlen(one), second = strlen(two), third = strlen(three);
    char *joined = mig_arena_alloc(&mig_batch, first + second + third + 1, 1);
    memcpy(joined, one, first);
    memcpy(joined + first, two, second);
    memcpy(joined + first + second, three, third + 1);
    return joined;
}

wire_string_t mig_keep_wire(mig_text text) {
    return mig_to_wire(mig_keep(text));
}

wire_string_t mig_keep_c(const char *text) {
    return mig_keep_wire(mig_text_of(text));
}
