#include "text.h"

#include <string.h>

#ifdef __wasm_simd128__
#include <wasm_simd128.h>

#define LANES 16

/* A bit for each of 16 bytes that is this one. */
static uint32_t matches(const uint8_t *bytes, uint8_t byte) {
    return wasm_i8x16_bitmask(wasm_i8x16_eq(wasm_v128_load(bytes), wasm_u8x16_splat(byte)));
}
#endif

bool engine_has_byte(engine_bytes text, uint8_t byte) {
    size_t at = 0;
#ifdef __wasm_simd128__
    for (; text.len - at >= LANES; at += LANES) {
        if (matches(text.ptr + at, byte) != 0)
            return true;
    }
#endif
    return at < text.len && memchr(text.ptr + at, byte, text.len - at) != NULL;
}

/* Whether the name stands between quotes here. The text is long enough. */
static bool is_quoted(const uint8_t *text, engine_bytes name) {
    return text[0] == '"' && text[name.len + 1] == '"' && memcmp(text + 1, name.ptr, name.len) == 0;
}

int engine_count_quoted(engine_bytes text, engine_bytes name, size_t *first) {
    size_t quoted = name.len + 2;
    if (text.len < quoted)
        return 0;
    /* Where it may begin. */
    size_t end = text.len - quoted + 1;
    size_t at = 0;
    int count = 0;
#ifdef __wasm_simd128__
    /* 16 places at once: mostly none of them has both quotes. */
    for (; end - at >= LANES; at += LANES) {
        uint32_t both = matches(text.ptr + at, '"') & matches(text.ptr + at + quoted - 1, '"');
        for (; both != 0; both &= both - 1) {
            size_t place = at + (size_t)__builtin_ctz(both);
            if (!is_quoted(text.ptr + place, name))
                continue;
            if (count++ > 0)
                return count;
            *first = place;
        }
    }
#endif
    for (; at < end; at++) {
        if (!is_quoted(text.ptr + at, name))
            continue;
        if (count++ > 0)
            return count;
        *first = at;
    }
    return count;
}
