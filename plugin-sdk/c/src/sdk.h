/* What the SDK's files share. Not part of the interface. */
#ifndef MIGRATION_SDK_H
#define MIGRATION_SDK_H

#include "migration.h"
#include "wire.h"

typedef migration_plugin_types_condition_t wire_condition;
typedef migration_plugin_types_document_t wire_document;
typedef migration_plugin_types_edit_t wire_edit;
typedef migration_plugin_types_change_t wire_change;
typedef migration_plugin_types_outcome_t wire_outcome;

/* ---- arena.c: memory that is given back all at once, or never ---- */

typedef struct mig_chunk mig_chunk;
typedef struct mig_arena {
    mig_chunk *first, *current;
} mig_arena;

/* Lives as long as the instance: outcomes, answers, what the host passes in. */
extern mig_arena mig_batch;
/* Lives as long as one attempt at one document. */
extern mig_arena mig_scratch;

/* Never NULL. */
void *mig_arena_alloc(mig_arena *arena, size_t size, size_t align);
void *mig_arena_zeroed(mig_arena *arena, size_t size);
/* Makes an allocation larger, in place if it is the last one. */
void *mig_arena_grow(mig_arena *arena, void *old, size_t old_size, size_t size, size_t align);
/* Takes everything back. The memory is used again. */
void mig_arena_reset(mig_arena *arena);
/* yyjson's view of an arena. */
yyjson_alc mig_arena_yyjson(mig_arena *arena);

/* A copy that lasts for the batch, with a NUL behind it. */
mig_text mig_keep(mig_text text);

/* Room for one more element in an array of the batch that doubles; `capacity` is 0 for none. */
void *mig_more(void *items, size_t count, size_t *capacity, size_t element);

/* ---- text.c ---- */

/* "one" "two" "three" as one text of the batch. */
const char *mig_join(const char *one, const char *two, const char *three);

static inline wire_string_t mig_to_wire(mig_text text) {
    wire_string_t wire = {(uint8_t *)text.ptr, text.len};
    return wire;
}

static inline mig_text mig_of_wire(wire_string_t wire) {
    /* An empty text has no address of its own. */
    mig_text text = {wire.len > 0 ? (const char *)wire.ptr : "", wire.len};
    return text;
}

/* A kept copy, as the bindings spell it. */
wire_string_t mig_keep_wire(mig_text text);
wire_string_t mig_keep_c(const char *text);

/* ---- outcome.c ---- */

struct mig_failure {
    migration_plugin_types_failure_t wire;
};

struct mig_answered {
    wire_outcome wire;
};

/* ---- document.c ---- */

/* A document whose parsed body lives in this arena. */
void mig_document_init(mig_document *document, wire_document wire, mig_arena *arena);

/* ---- condition.c ---- */

wire_condition mig_condition_wire(mig_condition condition);

/* ---- lookups.c: what was asked in a batch, and what is known ---- */

typedef struct mig_question {
    /* What identifies it: kind, table and all that was asked, as bytes. */
    mig_text key;
    mig_text table;
    bool is_find;
    /* The id of a get. */
    mig_text id;
    /* The limit and conditions of a find. */
    uint32_t limit;
    migration_plugin_lookup_list_condition_t conditions;
    /* What the host said; not before. */
    bool answered;
    const mig_failure *failure;
    mig_documents found;
} mig_question;

/* The question with this key, which is made if it was never asked. It stays where it is for the batch. */
mig_question *mig_ask_get(const char *table, mig_text id);
mig_question *mig_ask_find(const char *table, const mig_condition *conditions, size_t count, uint32_t limit);

/* Asks the host all that has no answer yet, with one call for each table and kind of lookup. */
void mig_fetch(void);
/* Forgets all questions. */
void mig_lookups_reset(void);

/* Returns the failure to the caller, if there is one. */
#define MIG_PASS(call)                                \
    do {                                              \
        const mig_failure *mig_failure_ = (call);     \
        if (mig_failure_ != NULL)                     \
            return mig_failure_;                      \
    } while (0)

/* ---- batch.c ---- */

/* The migration's `revert` for a batch. */
void mig_revert(exports_migration_plugin_transform_list_document_t *documents,
                exports_migration_plugin_transform_list_outcome_t *outcomes);

/* ---- context.c: what one attempt at one document did ---- */

typedef struct mig_line {
    mig_level level;
    mig_text message;
} mig_line;

struct mig_context {
    uint32_t lookups, lookups_allowed;
    /* A question had no answer yet: whatever the attempt returned is thrown away. */
    bool waits;
    mig_line *lines;
    size_t line_count, line_capacity;
};

#endif
