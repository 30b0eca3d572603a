#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

/* ---- For what crosses the boundary ---- */

#define CHUNK ((size_t)64 << 10)

static char *bump, *bump_end;

void *engine_keep(size_t size, size_t align) {
    /* malloc traps rather than giving no memory; what is larger than it gives at all, does so here. */
    if (size > SIZE_MAX / 2)
        __builtin_trap();
    uintptr_t place = ((uintptr_t)bump + align - 1) & ~(uintptr_t)(align - 1);
    if (bump == NULL || place > (uintptr_t)bump_end || (uintptr_t)bump_end - place < size) {
        size_t room = size + align > CHUNK ? size + align : CHUNK;
        bump = malloc(room);
        bump_end = bump + room;
        place = ((uintptr_t)bump + align - 1) & ~(uintptr_t)(align - 1);
    }
    bump = (char *)place + size;
    return (void *)place;
}

/* ---- For QuickJS ----
 *
 * What loading freed is cleared: zeros take no room in the component. */

size_t malloc_usable_size(void *memory);

static void *zeroed(void *opaque, size_t count, size_t size) {
    (void)opaque;
    return calloc(count, size);
}

static void *allocated(void *opaque, size_t size) {
    (void)opaque;
    return malloc(size);
}

static size_t usable(const void *memory) {
    return malloc_usable_size((void *)memory);
}

static void freed(void *opaque, void *memory) {
    (void)opaque;
    if (engine_is_loading() && memory != NULL)
        memset(memory, 0, usable(memory));
    free(memory);
}

static void *resized(void *opaque, void *old, size_t size) {
    size_t before = usable(old);
    if (!engine_is_loading() || old == NULL || size <= before)
        return realloc(old, size);
    void *grown = malloc(size);
    memcpy(grown, old, before);
    freed(opaque, old);
    return grown;
}

const JSMallocFunctions engine_memory = {zeroed, allocated, freed, resized, usable};
