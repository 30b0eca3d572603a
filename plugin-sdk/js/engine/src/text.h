/* Searching in texts. */
#ifndef ENGINE_TEXT_H
#define ENGINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some bytes, which nothing ends. */
typedef struct engine_bytes {
    const uint8_t *ptr;
    size_t len;
} engine_bytes;

/* Whether a text has this byte in it. */
bool engine_has_byte(engine_bytes text, uint8_t byte);

/* How often a text has these bytes between quotes: none, one, or two for more than that. `first` is where its first
 * quote stands. */
int engine_count_quoted(engine_bytes text, engine_bytes name, size_t *first);

#endif
