/* Fills `displayName` from the part of `email` before the `@`. Make it your own migration. */
#include <migration.h>
#include <string.h>

static void describe(mig_manifest *manifest) {
    manifest->name = "{{name}}";
    manifest->table = "users";
    manifest->version = 1;
    manifest->description = "Fills displayName from the part of email before the @";
    /* Chosen so that a migrated document does not meet it: a second run has nothing to do. */
    mig_only_if(manifest, mig_missing("/displayName"));
}

static mig_outcome transform(mig_document *user, mig_context *context) {
    mig_text email;
    MIG_TRY(mig_require_text(user, "/email", &email));
    const char *at = memchr(email.ptr, '@', email.len);
    /* This document is put into quarantine with this reason, and the run goes on. */
    if (at == NULL || at == email.ptr)
        return mig_fail("no-name", "email has nothing before an @", "/email");
    mig_edits *edits = mig_edits_new();
    mig_set(edits, "/displayName", mig_string_of(email.ptr, (size_t)(at - email.ptr)));
    mig_set(edits, "/updatedAt", mig_unsigned(mig_now(context)));
    return mig_edit(edits);
}

MIG_EXPORT(describe, transform);
