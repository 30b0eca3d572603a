/* The way over the sandbox's boundary: the bindings that the SDK in C has, too, and what they leave to others. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"

/* Where the host puts what it passes in. */
static void *receive(void *old, size_t old_size, size_t align, size_t size) {
    void *memory = engine_keep(size, align);
    if (old_size > 0)
        memcpy(memory, old, old_size < size ? old_size : size);
    return memory;
}

/* What is returned goes with the instance. `old_size` and `align` are what cabi_realloc, the only caller of realloc,
 * was told. */
#define free(memory) ((void)(memory))
#define realloc(memory, size) receive(memory, old_size, align, size)
#include "wire.c"
#undef realloc
#undef free

/* `host build` writes the component's type into the finished module; the object file that the bindings ask for would do
 * it while linking. */
void __component_type_object_force_link_wire(void) {}

/* What the world `reversible-migration` has besides, as the bindings would export it; in the other world nobody asks for
 * it. A list is returned as its address and length, in memory that outlives the call. */
__attribute__((export_name("migration:plugin/revert@0.1.0#revert")))
void *engine_revert_batch(void *documents, size_t count) {
    static exports_migration_plugin_transform_list_outcome_t outcomes;
    exports_migration_plugin_transform_list_document_t batch = {documents, count};
    engine_revert(&batch, &outcomes);
    return &outcomes;
}
