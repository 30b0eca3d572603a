/* From a batch on the wire to one document in the source.
 *
 * Every document is transformed. A lookup without an answer makes it wait; when all had their turn, everything that was
 * asked is fetched, with one call for each table and kind of lookup, and those that wait are transformed again, from
 * the start. So a batch costs as many calls as its longest chain of lookups is long, times the tables involved. */
#include <stdlib.h>

#include "sdk.h"

#define LOOKUPS 100

static wire_outcome impure(void) {
    return mig_fail("impure",
                    "the transform asked other questions each time it was run; it must depend on nothing but the "
                    "document and the answers to its lookups",
                    NULL)
        .made->wire;
}

/* What came of a document, once it is settled. */
typedef struct result {
    bool settled;
    wire_outcome outcome;
    mig_line *lines;
    size_t line_count;
} result;

/* Tells whether the document is settled. */
static bool attempt(const wire_document *wire, mig_function *transform, result *result) {
    uint32_t allowed = mig_migration_here.lookups;
    mig_context context = {.lookups_allowed = allowed > 0 ? allowed : LOOKUPS};
    mig_document document;
    mig_arena_reset(&mig_scratch);
    mig_document_init(&document, *wire, &mig_scratch);
    mig_outcome outcome = transform(&document, &context);
    if (context.waits)
        return false;
    /* An outcome that none of the SDK's functions made. Address 0 can be read in a sandbox, so nothing else would stop it. */
    if (outcome.made == NULL)
        abort();
    result->settled = true;
    result->outcome = outcome.made->wire;
    result->lines = context.lines;
    result->line_count = context.line_count;
    return true;
}

static void run(mig_function *transform, const exports_migration_plugin_transform_list_document_t *documents,
                exports_migration_plugin_transform_list_outcome_t *outcomes) {
    size_t count = documents->len;
    result *results = mig_arena_zeroed(&mig_batch, count * sizeof *results);
    /* A pure transform extends what it asked before, and asks no more often than it may: what still waits after that
     * many rounds is not pure. */
    uint32_t allowed = mig_migration_here.lookups > 0 ? mig_migration_here.lookups : LOOKUPS;
    for (uint32_t round = 0; round <= allowed; round++) {
        bool one_waits = false;
        for (size_t i = 0; i < count; i++) {
            if (!results[i].settled && !attempt(&documents->ptr[i], transform, &results[i]))
                one_waits = true;
        }
        if (!one_waits)
            break;
        mig_fetch();
    }
    outcomes->ptr = mig_arena_alloc(&mig_batch, count * sizeof *outcomes->ptr, sizeof(void *));
    outcomes->len = count;
    for (size_t i = 0; i < count; i++) {
        uint32_t place = (uint32_t)i;
        for (size_t line = 0; line < results[i].line_count; line++) {
            wire_string_t message = mig_to_wire(results[i].lines[line].message);
            migration_plugin_log_emit((uint8_t)results[i].lines[line].level, &message, &place);
        }
        outcomes->ptr[i] = results[i].settled ? results[i].outcome : impure();
    }
}

void exports_migration_plugin_transform_transform(exports_migration_plugin_transform_list_document_t *documents,
                                                  exports_migration_plugin_transform_list_outcome_t *outcomes) {
    run(mig_migration_here.transform, documents, outcomes);
}

void mig_revert(exports_migration_plugin_transform_list_document_t *documents,
                exports_migration_plugin_transform_list_outcome_t *outcomes) {
    run(mig_migration_here.revert, documents, outcomes);
}
