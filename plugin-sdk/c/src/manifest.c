#include "sdk.h"

static void add_name(mig_names *names, const char *name) {
    /* Lists of a manifest are short, and made once for each instance. */
    const char **items = mig_arena_alloc(&mig_batch, (names->count + 1) * sizeof *items, sizeof(void *));
    for (size_t i = 0; i < names->count; i++)
        items[i] = names->items[i];
    items[names->count++] = mig_keep(mig_text_of(name)).ptr;
    names->items = items;
}

void mig_only_if(mig_manifest *manifest, mig_condition condition) {
    mig_condition *filter =
        mig_arena_alloc(&mig_batch, (manifest->filter_count + 1) * sizeof *filter, sizeof(void *));
    for (size_t i = 0; i < manifest->filter_count; i++)
        filter[i] = manifest->filter[i];
    filter[manifest->filter_count++] = condition;
    manifest->filter = filter;
}

void mig_run_after(mig_manifest *manifest, const char *migration) {
    add_name(&manifest->run_after, migration);
}

void mig_reads(mig_manifest *manifest, const char *table) {
    add_name(&manifest->reads, table);
}

void mig_writes(mig_manifest *manifest, const char *table) {
    add_name(&manifest->writes, table);
}

void mig_needs_secret(mig_manifest *manifest, const char *name) {
    add_name(&manifest->secrets, name);
}

static wire_list_string_t wire_names(const mig_names *names) {
    wire_list_string_t list = {
        mig_arena_alloc(&mig_batch, names->count * sizeof *list.ptr, sizeof(void *)), names->count};
    for (size_t i = 0; i < names->count; i++)
        list.ptr[i] = mig_to_wire(mig_text_of(names->items[i]));
    return list;
}

void exports_migration_plugin_transform_describe(exports_migration_plugin_transform_manifest_t *wire) {
    mig_manifest manifest = {0};
    mig_migration_here.describe(&manifest);
    wire->name = mig_to_wire(mig_text_of(manifest.name));
    wire->description = mig_to_wire(mig_text_of(manifest.description));
    wire->version = manifest.version;
    wire->run_after = wire_names(&manifest.run_after);
    wire->table = mig_to_wire(mig_text_of(manifest.table));
    wire->filter.ptr =
        mig_arena_alloc(&mig_batch, manifest.filter_count * sizeof *wire->filter.ptr, sizeof(void *));
    wire->filter.len = manifest.filter_count;
    for (size_t i = 0; i < manifest.filter_count; i++)
        wire->filter.ptr[i] = mig_condition_wire(manifest.filter[i]);
    wire->reads = wire_names(&manifest.reads);
    wire->writes = wire_names(&manifest.writes);
    wire->secrets = wire_names(&manifest.secrets);
}
