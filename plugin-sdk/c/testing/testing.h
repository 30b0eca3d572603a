/* What stands in for the host when a migration is tested natively: tables in memory, and the cases to run. */
#ifndef MIGRATION_TESTING_H
#define MIGRATION_TESTING_H

#include "sdk.h"

/* All of a case lives in one document of yyjson's, numbers as they are spelled. */
typedef struct test_case {
    yyjson_mut_doc *doc;
    /* {table: {id: body}} */
    yyjson_mut_val *tables;
    /* {name: value}, or NULL. */
    yyjson_mut_val *params, *secrets;
    uint64_t now;
    /* What it may look at and change. */
    mig_manifest manifest;
    /* What was logged about each document of the call: arrays of {level: message}. */
    yyjson_mut_val *logs;
} test_case;

/* The case that the host's functions answer for. */
extern test_case *test_now;

/* ---- json.c ---- */

/* JSON text as values of the case; NULL if it is none. */
yyjson_mut_val *test_parse(yyjson_mut_doc *doc, mig_text text);
/* A value as text, of malloc. */
mig_text test_written(const yyjson_mut_val *value);
/* The value of a member; NULL if there is none, or `object` is none. */
yyjson_mut_val *test_member(yyjson_mut_val *object, mig_text name);
/* Replaces a member, where it stands, or adds one. */
void test_put(yyjson_mut_doc *doc, yyjson_mut_val *object, mig_text name, yyjson_mut_val *value);
/* Whether there was such a member; it is gone now. */
bool test_take(yyjson_mut_val *object, mig_text name);
yyjson_mut_val *test_string(yyjson_mut_doc *doc, mig_text text);
/* The next token of a pointer, decoded, from `at` on; false where there is none. */
bool test_token(mig_text pointer, size_t *at, mig_text *token);
/* The number of an array's element; SIZE_MAX where the token is none. */
size_t test_index(mig_text token);
/* What a pointer leads to, or NULL. */
yyjson_mut_val *test_at(yyjson_mut_val *value, mig_text pointer);
/* The same order of members, the same spelling of numbers, the same strings. */
bool test_same(yyjson_mut_val *one, yyjson_mut_val *other);

/* ---- edits.c ---- */

/* The document with these edits; NULL if one of them does not apply, which `why` says. */
yyjson_mut_val *test_edited(yyjson_mut_doc *doc, yyjson_mut_val *body, const migration_plugin_types_list_edit_t *edits,
                            const char **why);

/* ---- conditions.c ---- */

bool test_meets(yyjson_mut_val *body, const wire_condition *conditions, size_t count);

/* ---- id.c ---- */

/* The UUID that the host makes of these names, in 37 bytes. */
void test_id(yyjson_mut_doc *doc, const mig_text *names, size_t count, char *id);

/* ---- outcomes.c ---- */

/* What became of a document. */
typedef struct test_result {
    enum { TEST_PASSED_OVER, TEST_SKIPPED, TEST_CHANGED, TEST_FAILED } kind;
    mig_text reason, code, message, at;
    bool has_at;
} test_result;

/* Applies an outcome to the tables of the case: all of it or nothing. */
test_result test_apply(test_case *test, mig_text id, const wire_outcome *outcome);

#endif
