#include <stdlib.h>
#include <string.h>

#include "sdk.h"

/* Its memory follows it. */
struct mig_chunk {
    mig_chunk *next;
    size_t capacity, used;
};

/* What a chunk is aligned to, and all that is in one. */
#define ALIGNMENT 16
#define HEADER ((sizeof(mig_chunk) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)
#define SMALLEST ((size_t)64 << 10)

mig_arena mig_batch;
mig_arena mig_scratch;

static char *start(mig_chunk *chunk) {
    return (char *)chunk + HEADER;
}

static size_t aligned(size_t size, size_t align) {
    return (size + align - 1) / align * align;
}

/* A chunk with that much room behind the current one: one that a reset left, or a new one. */
static mig_chunk *next_chunk(mig_arena *arena, size_t size) {
    mig_chunk *rest = arena->current != NULL ? arena->current->next : arena->first;
    if (rest != NULL && rest->capacity >= size) {
        rest->used = 0;
        return arena->current = rest;
    }
    size_t capacity = size > SMALLEST ? size : SMALLEST;
    mig_chunk *chunk = malloc(HEADER + capacity);
    /* The host knows that it refused memory, and says so of the document. */
    if (chunk == NULL || capacity > SIZE_MAX - HEADER)
        abort();
    chunk->capacity = capacity;
    chunk->used = 0;
    chunk->next = rest;
    if (arena->current != NULL)
        arena->current->next = chunk;
    else
        arena->first = chunk;
    return arena->current = chunk;
}

void *mig_arena_alloc(mig_arena *arena, size_t size, size_t align) {
    mig_chunk *chunk = arena->current;
    if (size > SIZE_MAX / 2)
        abort();
    if (chunk == NULL || chunk->capacity - chunk->used < size + align)
        chunk = next_chunk(arena, size + align);
    chunk->used = aligned(chunk->used, align);
    void *memory = start(chunk) + chunk->used;
    chunk->used += size;
    return memory;
}

void *mig_arena_zeroed(mig_arena *arena, size_t size) {
    return memset(mig_arena_alloc(arena, size, ALIGNMENT), 0, size);
}

void *mig_arena_grow(mig_arena *arena, void *old, size_t old_size, size_t size, size_t align) {
    mig_chunk *chunk = arena->current;
    if (size <= old_size)
        return old;
    if (old != NULL && (char *)old + old_size == start(chunk) + chunk->used &&
        chunk->capacity - chunk->used >= size - old_size) {
        chunk->used += size - old_size;
        return old;
    }
    void *grown = mig_arena_alloc(arena, size, align);
    if (old_size > 0)
        memcpy(grown, old, old_size);
    return grown;
}

void mig_arena_reset(mig_arena *arena) {
    arena->current = NULL;
}

static void *yyjson_malloc(void *arena, size_t size) {
    return mig_arena_alloc(arena, size, ALIGNMENT);
}

static void *yyjson_realloc(void *arena, void *old, size_t old_size, size_t size) {
    return mig_arena_grow(arena, old, old_size, size, ALIGNMENT);
}

static void yyjson_free(void *arena, void *memory) {
    (void)arena;
    (void)memory;
}

yyjson_alc mig_arena_yyjson(mig_arena *arena) {
    yyjson_alc alc = {yyjson_malloc, yyjson_realloc, yyjson_free, arena};
    return alc;
}

void *mig_alloc(size_t size) {
    return mig_arena_alloc(&mig_scratch, size, ALIGNMENT);
}

mig_text mig_keep(mig_text text) {
    char *copy = mig_arena_alloc(&mig_batch, text.len + 1, 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    mig_text kept = {copy, text.len};
    return kept;
}

void *mig_more(void *items, size_t count, size_t *capacity, size_t element) {
    if (count < *capacity)
        return items;
    size_t doubled = *capacity > 0 ? *capacity * 2 : 4;
    items = mig_arena_grow(&mig_batch, items, *capacity * element, doubled * element, ALIGNMENT);
    *capacity = doubled;
    return items;
}
