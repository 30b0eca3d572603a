/* Write a data migration in C: say what becomes of ONE document. Batches, transactions, resuming, concurrent
 * writers, limits, undo and the report are the host's.
 *
 *     #include <migration.h>
 *     #include <string.h>
 *
 *     static void describe(mig_manifest *manifest) {
 *         manifest->name = "backfill-display-names";
 *         manifest->table = "users";
 *         manifest->version = 1;
 *         mig_only_if(manifest, mig_missing("/displayName"));
 *     }
 *
 *     static mig_outcome transform(mig_document *user, mig_context *context) {
 *         mig_text email;
 *         MIG_TRY(mig_require_text(user, "/email", &email));
 *         const char *at = memchr(email.ptr, '@', email.len);
 *         if (at == NULL) return mig_fail("no-name", "email has no @", "/email");
 *         mig_edits *edits = mig_edits_new();
 *         mig_set(edits, "/displayName", mig_string_of(email.ptr, at - email.ptr));
 *         mig_set(edits, "/updatedAt", mig_unsigned(mig_now(context)));
 *         return mig_edit(edits);
 *     }
 *
 *     MIG_EXPORT(describe, transform);
 *
 * Memory: a plugin lives for one batch of documents and is thrown away with all its memory. So nothing that the SDK
 * hands out is ever freed, and what is passed to it is copied: buffers on the stack will do. What is read of a
 * document, and mig_alloc's memory, lasts until its transform returns.
 *
 * Failing: a function that can fail returns NULL, or the failure; MIG_TRY returns that from the transform.
 * A trap (abort, an access out of bounds, a stack that overflows) loses that document only, and says less.
 *
 * A transform may run several times for one document, since lookups are asked for a whole batch at once. It must be
 * pure: the same document and the same answers give the same outcome. Variables outside of functions could break
 * that, so have none that change.
 */
#ifndef MIGRATION_H
#define MIGRATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "yyjson.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Texts, JSON texts, failures -------------------------------------------------------------------------- */

/* Text in UTF-8. What the SDK hands out has a NUL behind it, so that it is a C string, too, unless it contains one. */
typedef struct mig_text {
    const char *ptr;
    size_t len;
} mig_text;

/* The text of a C string; NULL is the empty text. */
mig_text mig_text_of(const char *text);

bool mig_text_equals(mig_text text, const char *other);

/* One JSON text, as the functions below make it. */
typedef struct mig_json {
    mig_text text;
} mig_json;

/* A JSON string. */
mig_json mig_string(mig_text text);
/* The same of a C string, and of the first so many bytes at an address. */
mig_json mig_string_c(const char *text);
mig_json mig_string_of(const char *text, size_t len);
mig_json mig_integer(int64_t number);
mig_json mig_unsigned(uint64_t number);
/* JSON knows neither NaN nor infinities: setting one fails with `invalid-value`. */
mig_json mig_real(double number);
mig_json mig_boolean(bool value);
mig_json mig_null(void);
/* A value that was read from a document. A number is written as C knows it: mig_raw keeps its spelling. */
mig_json mig_value(const yyjson_val *value);
/* An object or array that was built with yyjson_mut_obj and the like, over mig_builder's document. */
mig_json mig_built(const yyjson_mut_val *value);
/* Text that is JSON already: mig_verbatim(mig_text_of("[1.0, {}]")). The host checks it. */
mig_json mig_verbatim(mig_text json);

/* Where values are built. It needs no freeing. */
yyjson_mut_doc *mig_builder(void);

/* Why a document cannot be migrated. */
typedef struct mig_failure mig_failure;

/* `code` is stable and for machines; `message` is for people; `at` is the pointer to the field, or NULL. */
const mig_failure *mig_failure_new(const char *code, const char *message, const char *at);

/* Returns the failure from the transform, if there is one. */
#define MIG_TRY(call)                                  \
    do {                                               \
        const mig_failure *mig_failure_ = (call);      \
        if (mig_failure_ != NULL)                      \
            return mig_failed(mig_failure_);           \
    } while (0)

/* How many elements an array has: for conditions, ids and values. */
#define MIG_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* printf into memory that lasts. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
const char *mig_format(const char *format, ...);

/* Memory until the transform returns. Never NULL: where there is none, the plugin traps. */
void *mig_alloc(size_t size);

/* ---- Reading a document ------------------------------------------------------------------------------------ */

typedef struct mig_document {
    /* The key within its table, as text: the integer key 7 is `7`. */
    mig_text id;
    /* The body, as the store's own JSON text. */
    mig_text body;
    /* The SDK's own. */
    struct mig_parsed *parsed;
} mig_document;

typedef struct mig_documents {
    mig_document *items;
    size_t count;
} mig_documents;

/* The value that a JSON Pointer (RFC 6901) leads to, or NULL. yyjson.h has the functions to look into it:
 * yyjson_is_str, yyjson_get_str, yyjson_get_sint, yyjson_arr_foreach, … Integers beyond 64 bits are of yyjson's type
 * `raw`. "" is the whole body. Where an object has a key twice, the last one counts. */
yyjson_val *mig_at(mig_document *document, const char *pointer);

/* Whether there is a value, null included. */
bool mig_has(mig_document *document, const char *pointer);

/* A value as JSON text in which every number is spelled as in the document; nothing there is a missing-field. */
const mig_failure *mig_raw(mig_document *document, const char *pointer, mig_json *value);

/* A value of that type; one that is missing or null is the failure missing-field, another type invalid-field. */
const mig_failure *mig_require_text(mig_document *document, const char *pointer, mig_text *value);
const mig_failure *mig_require_integer(mig_document *document, const char *pointer, int64_t *value);
const mig_failure *mig_require_unsigned(mig_document *document, const char *pointer, uint64_t *value);
const mig_failure *mig_require_real(mig_document *document, const char *pointer, double *value);
const mig_failure *mig_require_boolean(mig_document *document, const char *pointer, bool *value);

/* ---- Answering --------------------------------------------------------------------------------------------- */

/* What to do about one document. */
typedef struct mig_outcome {
    const struct mig_answered *made;
} mig_outcome;

/* Leave it alone. Reasons are counted, so put no ids into them. */
mig_outcome mig_skip(const char *reason);
/* Give it a new body; the host works out what really changed. Prefer edits. */
mig_outcome mig_replace(mig_json body);
mig_outcome mig_delete(void);
/* Quarantine it; the run goes on. `at` may be NULL. */
mig_outcome mig_fail(const char *code, const char *message, const char *at);
mig_outcome mig_failed(const mig_failure *failure);

/* Edits of one document, in order, all or none. What no edit names keeps its exact bytes. */
typedef struct mig_edits mig_edits;
mig_edits *mig_edits_new(void);
/* Replaces what is there, or adds a member to an object; in an array `-` appends. */
void mig_set(mig_edits *edits, const char *pointer, mig_json value);
/* There must be something. */
void mig_remove(mig_edits *edits, const char *pointer);
/* Moves a value without decoding it. */
void mig_rename(mig_edits *edits, const char *from, const char *to);
mig_outcome mig_edit(const mig_edits *edits);

/* Changes of this document and of others, together or not at all. The manifest must declare the tables. */
typedef struct mig_changes mig_changes;
mig_changes *mig_changes_new(void);
/* The host derives the id from the document at hand, so that the same document never inserts twice. */
void mig_insert(mig_changes *changes, const char *table, mig_json body);
void mig_insert_as(mig_changes *changes, const char *table, mig_text id, mig_json body);
void mig_edit_document(mig_changes *changes, const char *table, mig_text id, const mig_edits *edits);
void mig_replace_document(mig_changes *changes, const char *table, mig_text id, mig_json body);
void mig_delete_document(mig_changes *changes, const char *table, mig_text id);
mig_outcome mig_change(const mig_changes *changes);

/* ---- Conditions -------------------------------------------------------------------------------------------- */

/* What a field is compared with; made by the functions below. */
typedef struct mig_condition {
    const char *at;
    uint8_t test;
    const mig_json *values;
    size_t count;
} mig_condition;

mig_condition mig_present(const char *at);
mig_condition mig_missing(const char *at);
mig_condition mig_equals(const char *at, mig_json value);
mig_condition mig_not_equals(const char *at, mig_json value);
mig_condition mig_less_than(const char *at, mig_json value);
mig_condition mig_at_least(const char *at, mig_json value);
mig_condition mig_one_of(const char *at, const mig_json *values, size_t count);

/* ---- Asking the host --------------------------------------------------------------------------------------- */

typedef struct mig_context mig_context;

/* When the run began, in milliseconds since 1970. It stands still for the whole run. */
uint64_t mig_now(mig_context *context);
/* The parameter of the run, or NULL if it was not given. */
yyjson_val *mig_param(mig_context *context, const char *name);
/* Whether the secret was declared and granted. */
bool mig_secret(mig_context *context, const char *name, mig_text *secret);
/* An id for a new document, the same for the same seed. */
mig_text mig_new_id(mig_context *context, const char *table, mig_text seed);

typedef enum mig_level { MIG_DEBUG, MIG_INFO, MIG_WARN, MIG_ERROR } mig_level;
/* Writes a line about the document at hand. */
void mig_log(mig_context *context, mig_level level, const char *message);

/* Lookups in tables that the manifest reads. They look like one query for each document and are one for each batch:
 * an answer that is not there yet is a failure, which MIG_TRY passes on; then the transform runs again. Pass every
 * failure of a lookup on. No more than a hundred of these calls for one document, unless mig_migration says so. */
const mig_failure *mig_get(mig_context *context, const char *table, mig_text id, mig_document **found);
/* `found` has room for `count` documents; those that do not exist are NULL. */
const mig_failure *mig_get_many(mig_context *context, const char *table, const mig_text *ids, size_t count,
                                mig_document **found);
/* The first `limit` documents, by id, that meet all conditions. */
const mig_failure *mig_find(mig_context *context, const char *table, const mig_condition *conditions, size_t count,
                            uint32_t limit, mig_documents *found);
/* The first of them, or NULL. */
const mig_failure *mig_find_one(mig_context *context, const char *table, const mig_condition *conditions, size_t count,
                                mig_document **found);

/* ---- The migration ----------------------------------------------------------------------------------------- */

/* A list of names, filled by the functions below. */
typedef struct mig_names {
    const char **items;
    size_t count;
} mig_names;

/* What a migration is and all that it may touch. The host refuses everything else. */
typedef struct mig_manifest {
    /* Its identity in the store's history: lower-case words joined by hyphens. */
    const char *name;
    /* The table whose documents it transforms. */
    const char *table;
    /* One sentence for people. */
    const char *description;
    /* The schema version that the store has afterwards. */
    uint32_t version;
    mig_names run_after, reads, writes, secrets;
    const mig_condition *filter;
    size_t filter_count;
} mig_manifest;

/* Only documents that meet this, and all other conditions, are passed to it. Choose it so that a migrated document
 * does not meet it: then a second run has nothing to do. */
void mig_only_if(mig_manifest *manifest, mig_condition condition);
/* A migration that must have been applied before. */
void mig_run_after(mig_manifest *manifest, const char *migration);
/* A table that it looks documents up in, its own included. */
void mig_reads(mig_manifest *manifest, const char *table);
/* A table that it changes besides its own. */
void mig_writes(mig_manifest *manifest, const char *table);
/* A secret that it asks for. */
void mig_needs_secret(mig_manifest *manifest, const char *name);

typedef mig_outcome mig_function(mig_document *document, mig_context *context);

typedef struct mig_migration {
    void (*describe)(mig_manifest *manifest);
    mig_function *transform;
    /* Takes the migration's own work back; NULL where it cannot. */
    mig_function *revert;
    /* The most lookups for one document; 0 is the default, a hundred. */
    uint32_t lookups;
} mig_migration;

/* The plugin's migration. The macros define it. */
extern const mig_migration mig_migration_here;

#define MIG_EXPORT(describe_function, transform_function) \
    const mig_migration mig_migration_here = {describe_function, transform_function, NULL, 0}

/* The same for a migration that can also take its own work back; `world = "reversible-migration"` stands in its
 * plugin.toml. */
#define MIG_EXPORT_REVERSIBLE(describe_function, transform_function, revert_function) \
    const mig_migration mig_migration_here = {describe_function, transform_function, revert_function, 0}

#ifdef __cplusplus
}
#endif
#endif
