#include <string.h>

#include "sdk.h"

/* All questions of the batch, in the order in which they were first asked, and where each is by its key. */
static mig_question **questions;
static size_t question_count, question_capacity;
/* Open addressing; a power of two slots, at most half of them taken. */
static mig_question **slots;
static size_t slot_count;
/* The first question that may have no answer yet. */
static size_t answered_before;

void mig_lookups_reset(void) {
    questions = NULL;
    slots = NULL;
    question_count = question_capacity = slot_count = answered_before = 0;
}

/* FNV-1a. */
static uint64_t hash(mig_text key) {
    uint64_t state = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.len; i++)
        state = (state ^ (uint8_t)key.ptr[i]) * 0x100000001b3u;
    return state ^ (state >> 32);
}

static mig_question **slot_of(mig_text key) {
    size_t at = (size_t)hash(key) & (slot_count - 1);
    while (slots[at] != NULL &&
           (slots[at]->key.len != key.len || memcmp(slots[at]->key.ptr, key.ptr, key.len) != 0))
        at = (at + 1) & (slot_count - 1);
    return &slots[at];
}

static void make_room(void) {
    if (slot_count > question_count * 2)
        return;
    slot_count = slot_count > 0 ? slot_count * 2 : 64;
    slots = mig_arena_zeroed(&mig_batch, slot_count * sizeof *slots);
    for (size_t i = 0; i < question_count; i++)
        *slot_of(questions[i]->key) = questions[i];
}

/* The question with this key, or a new one without anything else. */
static mig_question *find_or_add(mig_text key, bool *is_new) {
    make_room();
    mig_question **slot = slot_of(key);
    *is_new = *slot == NULL;
    if (*is_new) {
        mig_question *question = mig_arena_zeroed(&mig_batch, sizeof *question);
        question->key = mig_keep(key);
        questions = mig_more(questions, question_count, &question_capacity, sizeof(mig_question *));
        questions[question_count++] = question;
        *slot = question;
    }
    return *slot;
}

/* ---- Keys ---- */

typedef struct key {
    char *bytes;
    size_t len, capacity;
} key;

static void add(key *key, const void *bytes, size_t len) {
    if (key->len + len > key->capacity) {
        size_t capacity = (key->len + len) * 2;
        key->bytes = mig_arena_grow(&mig_scratch, key->bytes, key->capacity, capacity, 1);
        key->capacity = capacity;
    }
    if (len > 0)
        memcpy(key->bytes + key->len, bytes, len);
    key->len += len;
}

/* With its length before it, so that no two lists of texts are spelled the same. */
static void add_text(key *key, wire_string_t text) {
    add(key, &text.len, sizeof text.len);
    add(key, text.ptr, text.len);
}

static mig_text text_of(const key *key) {
    mig_text text = {key->bytes, key->len};
    return text;
}

mig_question *mig_ask_get(const char *table, mig_text id) {
    key key = {0};
    bool is_new;
    add(&key, "g", 1);
    add_text(&key, mig_to_wire(mig_text_of(table)));
    add_text(&key, mig_to_wire(id));
    mig_question *question = find_or_add(text_of(&key), &is_new);
    if (is_new) {
        question->table = mig_keep(mig_text_of(table));
        question->id = mig_keep(id);
    }
    return question;
}

mig_question *mig_ask_find(const char *table, const mig_condition *conditions, size_t count, uint32_t limit) {
    key key = {0};
    bool is_new;
    wire_condition *wire = mig_arena_alloc(&mig_batch, count * sizeof *wire, sizeof(void *));
    add(&key, "f", 1);
    add_text(&key, mig_to_wire(mig_text_of(table)));
    add(&key, &limit, sizeof limit);
    for (size_t i = 0; i < count; i++) {
        wire[i] = mig_condition_wire(conditions[i]);
        add_text(&key, wire[i].at);
        add(&key, &wire[i].test.tag, 1);
        if (wire[i].test.tag == MIGRATION_PLUGIN_TYPES_TEST_ONE_OF) {
            add(&key, &wire[i].test.val.one_of.len, sizeof(size_t));
            for (size_t j = 0; j < wire[i].test.val.one_of.len; j++)
                add_text(&key, wire[i].test.val.one_of.ptr[j]);
        } else if (wire[i].test.tag > MIGRATION_PLUGIN_TYPES_TEST_MISSING) {
            add_text(&key, wire[i].test.val.equals);
        }
    }
    mig_question *question = find_or_add(text_of(&key), &is_new);
    if (is_new) {
        question->table = mig_keep(mig_text_of(table));
        question->is_find = true;
        question->limit = limit;
        question->conditions.ptr = wire;
        question->conditions.len = count;
    }
    return question;
}

/* ---- Calls ---- */

static const mig_failure *failure_of(const migration_plugin_lookup_error_t *error) {
    static const char *const codes[] = {"lookup-not-granted", "lookup-unknown-table", "lookup-limit-exceeded",
                                        "lookup-store"};
    /* All errors have one text, at the same place of the union. */
    const char *message = mig_of_wire(error->val.store).ptr;
    return mig_failure_new(error->tag < MIG_COUNT(codes) ? codes[error->tag] : "lookup-store", message, NULL);
}

/* Whether one call can answer both. */
static bool share_a_call(const mig_question *one, const mig_question *other) {
    return one->is_find == other->is_find && one->limit == other->limit && one->table.len == other->table.len &&
           memcmp(one->table.ptr, other->table.ptr, one->table.len) == 0;
}

static void answer(mig_question *question, const wire_document *found, size_t count) {
    question->answered = true;
    question->found.items = mig_arena_alloc(&mig_batch, count * sizeof(mig_document), sizeof(void *));
    question->found.count = count;
    for (size_t i = 0; i < count; i++)
        mig_document_init(&question->found.items[i], found[i], &mig_batch);
}

static void fail(mig_question *const *group, size_t count, const mig_failure *failure) {
    for (size_t i = 0; i < count; i++) {
        group[i]->answered = true;
        group[i]->failure = failure;
    }
}

static void call_get(mig_question *const *group, size_t count) {
    wire_string_t table = mig_to_wire(group[0]->table);
    wire_list_string_t ids = {mig_arena_alloc(&mig_batch, count * sizeof *ids.ptr, sizeof(void *)), count};
    migration_plugin_lookup_list_option_document_t found = {0};
    migration_plugin_lookup_error_t error = {0};
    for (size_t i = 0; i < count; i++)
        ids.ptr[i] = mig_to_wire(group[i]->id);
    if (!migration_plugin_lookup_get_many(&table, &ids, &found, &error)) {
        fail(group, count, failure_of(&error));
    } else if (found.len != count) {
        fail(group, count, mig_failure_new("lookup-store", "the host gave too few answers", NULL));
    } else {
        for (size_t i = 0; i < count; i++)
            answer(group[i], &found.ptr[i].val, found.ptr[i].is_some ? 1 : 0);
    }
}

static void call_find(mig_question *const *group, size_t count) {
    wire_string_t table = mig_to_wire(group[0]->table);
    migration_plugin_lookup_list_list_condition_t queries = {
        mig_arena_alloc(&mig_batch, count * sizeof *queries.ptr, sizeof(void *)), count};
    migration_plugin_lookup_list_list_document_t found = {0};
    migration_plugin_lookup_error_t error = {0};
    for (size_t i = 0; i < count; i++)
        queries.ptr[i] = group[i]->conditions;
    if (!migration_plugin_lookup_find_many(&table, &queries, group[0]->limit, &found, &error)) {
        fail(group, count, failure_of(&error));
    } else if (found.len != count) {
        fail(group, count, mig_failure_new("lookup-store", "the host gave too few answers", NULL));
    } else {
        for (size_t i = 0; i < count; i++)
            answer(group[i], found.ptr[i].ptr, found.ptr[i].len);
    }
}

void mig_fetch(void) {
    size_t open = question_count - answered_before;
    mig_question **group = mig_arena_alloc(&mig_batch, open * sizeof *group, sizeof(void *));
    for (size_t i = answered_before; i < question_count; i++) {
        if (questions[i]->answered)
            continue;
        size_t count = 0;
        for (size_t j = i; j < question_count; j++) {
            if (!questions[j]->answered && share_a_call(questions[i], questions[j]))
                group[count++] = questions[j];
        }
        if (questions[i]->is_find)
            call_find(group, count);
        else
            call_get(group, count);
    }
    answered_before = question_count;
}
