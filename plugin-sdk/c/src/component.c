/* The way over the sandbox's boundary: the generated bindings, and what they leave to others. They are made by
 *
 *     wit-bindgen c wit -w migration --out-dir plugin-sdk/c/bindings --no-object-file --no-helpers --rename-world wire
 */
#ifdef __wasm__

#include <stdlib.h>

#include "sdk.h"

/* Everything that the host passes in lies in the batch's arena. Texts, which alone need no alignment, get a NUL behind
 * them. */
static void *receive(void *old, size_t old_size, size_t align, size_t size) {
    bool is_text = align == 1;
    char *memory = mig_arena_grow(&mig_batch, old, old_size, size + is_text, align);
    if (is_text)
        memory[size] = '\0';
    return memory;
}

/* What is returned lies there, too, and goes with the instance. `old_size` and `align` are what cabi_realloc, the only
 * caller of realloc, was told. */
#define free(memory) ((void)(memory))
#define realloc(memory, size) receive(memory, old_size, align, size)
#include "wire.c"
#undef realloc
#undef free

/* `host build` writes the component's type into the finished module; the object file that the bindings ask for would do
 * it while linking. */
void __component_type_object_force_link_wire(void) {}

#ifdef MIG_REVERSIBLE
/* What the world `reversible-migration` has besides, as the bindings would export it. A list is returned as its address
 * and length, in memory that outlives the call. */
__attribute__((export_name("migration:plugin/revert@0.1.0#revert")))
void *mig_revert_batch(void *documents, size_t count) {
    static exports_migration_plugin_transform_list_outcome_t outcomes;
    exports_migration_plugin_transform_list_document_t batch = {documents, count};
    mig_revert(&batch, &outcomes);
    return &outcomes;
}
#endif

#endif
