/* Runs a migration, compiled natively, over cases: JSON lines, as `host test` reads them. What only the sandbox can show
 * (a trap, a limit) is left to `host test`, and so is everything that it checks by itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#define NOW 1700000000000u

static yyjson_mut_val *member(yyjson_mut_val *object, const char *name) {
    return test_member(object, mig_text_of(name));
}

/* Milliseconds since 1970: a number, or RFC 3339 in UTC to the second. */
static bool read_now(yyjson_mut_val *value, uint64_t *now) {
    int year, month, day, hour, minute, second;
    *now = NOW;
    if (value == NULL)
        return true;
    if (yyjson_mut_is_raw(value)) {
        *now = strtoull(yyjson_mut_get_raw(value), NULL, 10);
        return true;
    }
    if (!yyjson_mut_is_str(value) || sscanf(yyjson_mut_get_str(value), "%d-%d-%dT%d:%d:%dZ", &year, &month, &day, &hour,
                                            &minute, &second) != 6)
        return false;
    /* Days from a year that begins in March, so that February's length is no matter. */
    int from_march = month > 2 ? month - 3 : month + 9, y = month > 2 ? year : year - 1;
    int64_t days = 365LL * y + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1 - 719468;
    *now = (uint64_t)(((days * 24 + hour) * 60 + minute) * 60 + second) * 1000;
    return true;
}

static void need_table(test_case *test, const char *name) {
    if (member(test->tables, name) == NULL)
        test_put(test->doc, test->tables, mig_text_of(name), yyjson_mut_obj(test->doc));
}

/* The tables before the call: what the case says, what the manifest names, and the documents. */
static void fill(test_case *test, yyjson_mut_val *given, yyjson_mut_val *documents) {
    yyjson_mut_val *key;
    test->tables = given != NULL ? yyjson_mut_val_mut_copy(test->doc, given) : yyjson_mut_obj(test->doc);
    need_table(test, test->manifest.table);
    for (size_t i = 0; i < test->manifest.reads.count; i++)
        need_table(test, test->manifest.reads.items[i]);
    for (size_t i = 0; i < test->manifest.writes.count; i++)
        need_table(test, test->manifest.writes.items[i]);
    yyjson_mut_val *own = member(test->tables, test->manifest.table);
    yyjson_mut_obj_iter members = yyjson_mut_obj_iter_with(documents);
    while ((key = yyjson_mut_obj_iter_next(&members)) != NULL) {
        mig_text id = {yyjson_mut_get_str(key), yyjson_mut_get_len(key)};
        test_put(test->doc, own, id, yyjson_mut_val_mut_copy(test->doc, yyjson_mut_obj_iter_get_val(key)));
    }
}

/* The documents of other places that differ, as an expectation spells them; NULL if there are none. */
static yyjson_mut_val *others(test_case *test, yyjson_mut_val *before, mig_text id) {
    yyjson_mut_val *changed = yyjson_mut_obj(test->doc), *table_name;
    yyjson_mut_obj_iter tables = yyjson_mut_obj_iter_with(test->tables);
    while ((table_name = yyjson_mut_obj_iter_next(&tables)) != NULL) {
        mig_text name = {yyjson_mut_get_str(table_name), yyjson_mut_get_len(table_name)};
        bool is_own = mig_text_equals(name, test->manifest.table);
        yyjson_mut_val *after = yyjson_mut_obj_iter_get_val(table_name), *old = test_member(before, name);
        yyjson_mut_val *differing = yyjson_mut_obj(test->doc), *key;
        /* First what is there now, then what is gone. */
        for (int gone = 0; gone < 2; gone++) {
            yyjson_mut_obj_iter documents = yyjson_mut_obj_iter_with(gone ? old : after);
            while ((key = yyjson_mut_obj_iter_next(&documents)) != NULL) {
                mig_text other = {yyjson_mut_get_str(key), yyjson_mut_get_len(key)};
                yyjson_mut_val *now = test_member(after, other);
                if ((is_own && yyjson_mut_equals_strn(key, id.ptr, id.len)) || (gone && now != NULL) ||
                    test_same(now, test_member(old, other)))
                    continue;
                test_put(test->doc, differing, other,
                         now != NULL ? yyjson_mut_val_mut_copy(test->doc, now) : yyjson_mut_null(test->doc));
            }
        }
        if (yyjson_mut_obj_size(differing) > 0)
            test_put(test->doc, changed, name, differing);
    }
    return yyjson_mut_obj_size(changed) > 0 ? changed : NULL;
}

/* What became of a document, as an expectation spells it. */
static yyjson_mut_val *spelled(test_case *test, test_result result, yyjson_mut_val *before, mig_text id,
                               yyjson_mut_val *logs) {
    yyjson_mut_doc *doc = test->doc;
    yyjson_mut_val *spelled = yyjson_mut_obj(doc), *fail;
    switch (result.kind) {
    case TEST_PASSED_OVER:
        test_put(doc, spelled, mig_text_of("passed_over"), yyjson_mut_true(doc));
        break;
    case TEST_SKIPPED:
        test_put(doc, spelled, mig_text_of("skip"), test_string(doc, result.reason));
        break;
    case TEST_FAILED:
        fail = yyjson_mut_obj(doc);
        test_put(doc, fail, mig_text_of("code"), test_string(doc, result.code));
        test_put(doc, fail, mig_text_of("message"), test_string(doc, result.message));
        test_put(doc, fail, mig_text_of("at"),
                 result.has_at ? test_string(doc, result.at) : yyjson_mut_null(doc));
        test_put(doc, spelled, mig_text_of("fail"), fail);
        break;
    case TEST_CHANGED: {
        yyjson_mut_val *own = test_member(member(test->tables, test->manifest.table), id);
        yyjson_mut_val *other = others(test, before, id);
        if (!test_same(own, test_member(member(before, test->manifest.table), id)))
            test_put(doc, spelled, mig_text_of("document"),
                     own != NULL ? yyjson_mut_val_mut_copy(doc, own) : yyjson_mut_null(doc));
        if (other != NULL)
            test_put(doc, spelled, mig_text_of("tables"), other);
    }
    }
    if (yyjson_mut_arr_size(logs) > 0)
        test_put(doc, spelled, mig_text_of("logs"), yyjson_mut_val_mut_copy(doc, logs));
    return spelled;
}

/* Whether two objects have the same members, in whatever order, as `same` sees them. */
static bool same_members(yyjson_mut_val *one, yyjson_mut_val *other,
                         bool (*same)(yyjson_mut_val *, yyjson_mut_val *)) {
    yyjson_mut_val *key;
    yyjson_mut_obj_iter members = yyjson_mut_obj_iter_with(one);
    if (one == NULL || other == NULL)
        return one == other;
    if (yyjson_mut_obj_size(one) != yyjson_mut_obj_size(other))
        return false;
    while ((key = yyjson_mut_obj_iter_next(&members)) != NULL) {
        mig_text name = {yyjson_mut_get_str(key), yyjson_mut_get_len(key)};
        yyjson_mut_val *match = test_member(other, name);
        if (match == NULL || !same(yyjson_mut_obj_iter_get_val(key), match))
            return false;
    }
    return true;
}

static bool same_documents(yyjson_mut_val *one, yyjson_mut_val *other) {
    return same_members(one, other, test_same);
}

static bool holds(yyjson_mut_val *expected, yyjson_mut_val *came) {
    yyjson_mut_val *fail = member(expected, "fail"), *skip = member(expected, "skip"), *key;
    yyjson_mut_val *logs = member(expected, "logs"), *logged = member(came, "logs");
    if (logs != NULL && (logged != NULL ? !test_same(logs, logged) : yyjson_mut_arr_size(logs) > 0))
        return false;
    if (fail != NULL) {
        yyjson_mut_obj_iter given = yyjson_mut_obj_iter_with(fail);
        while ((key = yyjson_mut_obj_iter_next(&given)) != NULL) {
            if (!test_same(yyjson_mut_obj_iter_get_val(key), member(member(came, "fail"), yyjson_mut_get_str(key))))
                return false;
        }
        return member(came, "fail") != NULL;
    }
    if (skip != NULL && yyjson_mut_is_true(skip))
        return member(came, "skip") != NULL;
    return test_same(skip, member(came, "skip")) && member(came, "fail") == NULL &&
           test_same(member(expected, "passed_over"), member(came, "passed_over")) &&
           test_same(member(expected, "document"), member(came, "document")) &&
           same_members(member(expected, "tables"), member(came, "tables"), same_documents);
}

/* Whether only the sandbox can show what is expected: a trap or a limit, or a failure that may be one. */
static bool is_for_the_sandbox(yyjson_mut_val *expected) {
    yyjson_mut_val *fail = member(expected, "fail"), *code = member(fail, "code");
    return (fail != NULL && code == NULL) || yyjson_mut_equals_str(code, "trap") ||
           yyjson_mut_equals_str(code, "limit");
}

typedef enum verdict { HOLDS, FAILS, LEFT_OUT } verdict;

/* Transforms the documents that meet the filter, and compares what became of each. */
static verdict check(test_case *test, const char *name, yyjson_mut_val *documents, yyjson_mut_val *expected,
                     bool revert) {
    size_t count = yyjson_mut_obj_size(documents), called = 0, place = 0;
    wire_document *batch = mig_arena_zeroed(&mig_batch, count * sizeof *batch);
    wire_condition *filter = mig_arena_zeroed(&mig_batch, test->manifest.filter_count * sizeof *filter);
    bool *passed = mig_arena_zeroed(&mig_batch, count * sizeof *passed);
    yyjson_mut_val *key;
    verdict verdict = HOLDS;
    for (size_t i = 0; i < test->manifest.filter_count; i++)
        filter[i] = mig_condition_wire(test->manifest.filter[i]);
    yyjson_mut_obj_iter members = yyjson_mut_obj_iter_with(documents);
    while ((key = yyjson_mut_obj_iter_next(&members)) != NULL) {
        yyjson_mut_val *body = yyjson_mut_obj_iter_get_val(key);
        passed[place] = revert || test_meets(body, filter, test->manifest.filter_count);
        if (passed[place++]) {
            batch[called].id = mig_keep_c(yyjson_mut_get_str(key));
            batch[called].body = mig_to_wire(test_written(body));
            called++;
            yyjson_mut_arr_append(test->logs, yyjson_mut_arr(test->doc));
        }
    }
    exports_migration_plugin_transform_list_document_t list = {batch, called};
    exports_migration_plugin_transform_list_outcome_t outcomes = {0};
    if (revert)
        mig_revert(&list, &outcomes);
    else
        exports_migration_plugin_transform_transform(&list, &outcomes);

    members = yyjson_mut_obj_iter_with(documents);
    called = place = 0;
    while ((key = yyjson_mut_obj_iter_next(&members)) != NULL) {
        mig_text id = {yyjson_mut_get_str(key), yyjson_mut_get_len(key)};
        yyjson_mut_val *before = test->tables, *logs = NULL;
        test_result result = {.kind = TEST_PASSED_OVER};
        if (passed[place++]) {
            logs = yyjson_mut_arr_get(test->logs, called);
            result = test_apply(test, id, &outcomes.ptr[called++]);
        }
        yyjson_mut_val *came = spelled(test, result, before, id, logs);
        yyjson_mut_val *wanted = test_member(expected, id);
        if (!holds(wanted, came)) {
            printf("FAILED %s, document %s\n  expected %s\n  came     %s\n", name, id.ptr, test_written(wanted).ptr,
                   test_written(came).ptr);
            verdict = FAILS;
        }
    }
    return verdict;
}

static verdict run(const char *name, yyjson_mut_doc *doc, yyjson_mut_val *given) {
    test_case test = {.doc = doc, .params = member(given, "params"), .secrets = member(given, "secrets")};
    yyjson_mut_val *documents = member(given, "documents"), *expected = member(given, "expect"), *key;
    bool revert = yyjson_mut_is_true(member(given, "revert"));
    test_now = &test;
    test.logs = yyjson_mut_arr(doc);
    mig_migration_here.describe(&test.manifest);
    if (!read_now(member(given, "now"), &test.now) || (revert && mig_migration_here.revert == NULL)) {
        printf("FAILED %s: `now` is no time, or the migration has no `revert`\n", name);
        return FAILS;
    }
    if (documents == NULL) {
        yyjson_mut_val *id = member(given, "id"), *one = yyjson_mut_obj(doc), *wanted = yyjson_mut_obj(doc);
        mig_text named = id != NULL ? mig_text_of(yyjson_mut_get_str(id)) : mig_text_of("1");
        test_put(doc, one, named, yyjson_mut_val_mut_copy(doc, member(given, "document")));
        if (expected != NULL)
            test_put(doc, wanted, named, yyjson_mut_val_mut_copy(doc, expected));
        documents = one;
        expected = wanted;
    }
    yyjson_mut_obj_iter members = yyjson_mut_obj_iter_with(expected);
    while ((key = yyjson_mut_obj_iter_next(&members)) != NULL) {
        if (is_for_the_sandbox(yyjson_mut_obj_iter_get_val(key)))
            return LEFT_OUT;
    }
    fill(&test, member(given, "tables"), documents);
    return check(&test, name, documents, expected, revert);
}

/* A whole file, with a NUL behind it; NULL if it cannot be read. */
static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return NULL;
    long size = ftell(file);
    char *text = size >= 0 ? calloc(1, (size_t)size + 1) : NULL;
    rewind(file);
    bool whole = text != NULL && fread(text, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    return whole ? text : NULL;
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "cases.jsonl";
    int counts[] = {0, 0, 0}, number = 0;
    char *text = read_file(path), *next;
    if (text == NULL) {
        fprintf(stderr, "error: %s cannot be read\n", path);
        return 1;
    }
    for (char *line = text; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        number++;
        if (strspn(line, " \t\r") == strlen(line))
            continue;
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *given = test_parse(doc, mig_text_of(line)), *named = member(given, "name");
        if (given == NULL) {
            fprintf(stderr, "error: %s:%d: the line is no JSON\n", path, number);
            return 1;
        }
        mig_arena_reset(&mig_batch);
        mig_lookups_reset();
        const char *name = named != NULL ? yyjson_mut_get_str(named) : mig_format("line %d", number);
        counts[run(name, doc, given)]++;
        yyjson_mut_doc_free(doc);
    }
    free(text);
    printf("%d passed, %d failed, %d skipped\n", counts[HOLDS], counts[FAILS], counts[LEFT_OUT]);
    return counts[FAILS] > 0 ? 1 : 0;
}
