/* Removes `saveRegenerationHistory` from `userSettings`. */
#include <migration.h>

static void describe(mig_manifest *manifest) {
    manifest->name = "drop-deprecated-field";
    manifest->table = "userSettings";
    manifest->version = 1;
    manifest->description = "Removes saveRegenerationHistory, which no code reads any more";
    mig_only_if(manifest, mig_present("/saveRegenerationHistory"));
}

static mig_outcome transform(mig_document *settings, mig_context *context) {
    /* The filter has seen to it that there is something to remove. */
    (void)settings;
    (void)context;
    mig_edits *edits = mig_edits_new();
    mig_remove(edits, "/saveRegenerationHistory");
    return mig_edit(edits);
}

MIG_EXPORT(describe, transform);
