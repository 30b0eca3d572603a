/* malloc and its family for the sandbox, in place of the C library's: where the host refuses memory, they trap. An
 * address of 0 can be written to in a sandbox, so a NULL that nobody looks at would not stop the plugin, and would spoil
 * what other documents of the batch have in its memory.
 *
 * Blocks are powers of two; a freed one waits for the next of its size. All of it goes with the instance. */
#ifdef __wasm__

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE ((size_t)64 << 10)
#define ALIGNMENT 16

/* Stands right before each block, which is aligned as it is. */
typedef struct header {
    _Alignas(ALIGNMENT) struct header *next_free;
    /* The block has 2^power bytes, header included. */
    uint32_t power;
    /* From the block's true beginning to this. */
    uint32_t shift;
} header;

static header *free_blocks[32];
static char *bump, *bump_end;

/* Fresh memory from the host, or a trap. */
static char *take(size_t size) {
    if ((size_t)(bump_end - bump) < size) {
        size_t pages = (size + PAGE - 1) / PAGE;
        size_t old = __builtin_wasm_memory_grow(0, pages);
        if (old == SIZE_MAX)
            __builtin_trap();
        /* Mostly what is left of the last pages goes on in these. */
        if (bump_end != (char *)(old * PAGE))
            bump = (char *)(old * PAGE);
        bump_end = (char *)((old + pages) * PAGE);
    }
    char *memory = bump;
    bump += size;
    return memory;
}

void *malloc(size_t size) {
    if (size > (size_t)1 << 30)
        __builtin_trap();
    size_t whole = size + sizeof(header);
    uint32_t power = whole > 32 ? 32 - (uint32_t)__builtin_clz((uint32_t)(whole - 1)) : 5;
    header *block = free_blocks[power];
    if (block != NULL)
        free_blocks[power] = block->next_free;
    else
        block = (header *)take((size_t)1 << power);
    block->power = power;
    block->shift = 0;
    return block + 1;
}

void free(void *memory) {
    if (memory == NULL)
        return;
    header *shown = (header *)memory - 1;
    header *block = (header *)((char *)shown - shown->shift);
    uint32_t power = shown->power;
    block->next_free = free_blocks[power];
    free_blocks[power] = block;
}

void *calloc(size_t count, size_t size) {
    size_t whole;
    if (__builtin_mul_overflow(count, size, &whole))
        __builtin_trap();
    return memset(malloc(whole), 0, whole);
}

size_t malloc_usable_size(void *memory) {
    if (memory == NULL)
        return 0;
    header *shown = (header *)memory - 1;
    return ((size_t)1 << shown->power) - shown->shift - sizeof(header);
}

void *realloc(void *old, size_t size) {
    if (old == NULL)
        return malloc(size);
    size_t room = malloc_usable_size(old);
    if (size <= room)
        return old;
    void *grown = malloc(size);
    memcpy(grown, old, room);
    free(old);
    return grown;
}

void *aligned_alloc(size_t alignment, size_t size) {
    if (alignment <= ALIGNMENT)
        return malloc(size);
    if (size > SIZE_MAX / 2 || alignment > SIZE_MAX / 4)
        __builtin_trap();
    char *memory = malloc(size + alignment);
    char *aligned = (char *)(((uintptr_t)memory + alignment - 1) & ~(uintptr_t)(alignment - 1));
    header *block = (header *)memory - 1, *shown = (header *)aligned - 1;
    uint32_t power = block->power;
    shown->shift = (uint32_t)(aligned - memory);
    shown->power = power;
    return aligned;
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    *memory = aligned_alloc(alignment, size);
    return 0;
}

#endif
