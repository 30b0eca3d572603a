// Write a data migration in C++: say what becomes of ONE document. A thin layer over the C SDK, whose migration.h says
// what holds for memory, failures and lookups.
//
//     #include <migration.hpp>
//     using namespace migration;
//
//     static Manifest manifest() {
//         return Manifest("backfill-display-names", "users").version(1).only_if(at("/displayName").missing());
//     }
//
//     static Outcome transform(Document user, Context context) {
//         MIGRATION_TRY(email, user.require<std::string_view>("/email"));
//         auto end = email.find('@');
//         if (end == email.npos) return Failure("no-name", "email has no @", "/email");
//         return Edits().set("/displayName", email.substr(0, end)).set("/updatedAt", context.now());
//     }
//
//     MIGRATION_EXPORT(manifest, transform);
//
// There are no exceptions in the sandbox: what can fail returns a Result, which is a std::expected, and MIGRATION_TRY
// takes the value out or returns the failure. What would throw in the standard library aborts, which loses that document
// only. C++23, -fno-exceptions, -fno-rtti.
#ifndef MIGRATION_HPP
#define MIGRATION_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "migration.h"

namespace migration {

namespace internal {

inline mig_text c(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view cpp(mig_text text) { return {text.ptr, text.len}; }

}  // namespace internal

// A name, pointer or message that ends with a NUL.
class Name {
   public:
    Name(const char *text) : text_(text) {}
    Name(const std::string &text) : text_(text.c_str()) {}
    const char *c() const { return text_; }

   private:
    const char *text_;
};

// Why a document cannot be migrated. `code` is stable and for machines, `message` for people.
class Failure {
   public:
    Failure(Name code, Name message) : failure_(mig_failure_new(code.c(), message.c(), nullptr)) {}
    Failure(Name code, Name message, Name at) : failure_(mig_failure_new(code.c(), message.c(), at.c())) {}
    explicit Failure(const mig_failure *failure) : failure_(failure) {}
    const mig_failure *c() const { return failure_; }

   private:
    const mig_failure *failure_;
};

// A value, or why there is none.
template <class T>
using Result = std::expected<T, Failure>;

// Declares `name` with the value of a Result, or returns its failure from the function.
#define MIGRATION_TRY(name, ...)             \
    auto name##_result_ = (__VA_ARGS__);     \
    if (!name##_result_)                     \
        return name##_result_.error();       \
    auto &name = *name##_result_

// One JSON text. Strings, numbers, booleans and nullptr become one by themselves.
class Json {
   public:
    Json(std::string_view text) : json_(mig_string(internal::c(text))) {}
    Json(const char *text) : Json(std::string_view(text)) {}
    Json(const std::string &text) : Json(std::string_view(text)) {}
    Json(std::nullptr_t) : json_(mig_null()) {}
    Json(std::same_as<bool> auto value) : json_(mig_boolean(value)) {}
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    Json(T number) {
        if constexpr (std::is_signed_v<T>)
            json_ = mig_integer(number);
        else
            json_ = mig_unsigned(number);
    }
    Json(std::floating_point auto number) : json_(mig_real(number)) {}
    // A value that was read: a number is written as C knows it. Document::raw keeps its spelling.
    Json(const yyjson_val *value) : json_(mig_value(value)) {}
    // A value that was built with yyjson_mut_obj and the like, over mig_builder's document.
    Json(const yyjson_mut_val *value) : json_(mig_built(value)) {}
    explicit Json(mig_json json) : json_(json) {}
    // Text that is JSON already. The host checks it.
    static Json verbatim(std::string_view text) { return Json(mig_verbatim(internal::c(text))); }
    mig_json c() const { return json_; }

   private:
    mig_json json_;
};

// A document: a key, and a body that is read by JSON Pointers (RFC 6901). Cheap to copy.
class Document {
   public:
    explicit Document(mig_document *document) : document_(document) {}

    // The key within its table, as text.
    std::string_view id() const { return internal::cpp(document_->id); }
    // The body, as the store's own JSON text.
    std::string_view body() const { return internal::cpp(document_->body); }
    // Whether there is a value, null included.
    bool has(Name pointer) const { return mig_has(document_, pointer.c()); }
    // The value, for the functions of yyjson.h, or nullptr.
    yyjson_val *at(Name pointer) const { return mig_at(document_, pointer.c()); }
    // The value with every number spelled as in the document.
    Result<Json> raw(Name pointer) const {
        mig_json json;
        if (auto failure = mig_raw(document_, pointer.c(), &json))
            return std::unexpected(Failure(failure));
        return Json(json);
    }
    // A value of type std::string_view, std::string, bool, double, or an integer of 64 bits. One that is missing or null is
    // the failure missing-field, another type invalid-field.
    template <class T>
    Result<T> require(Name pointer) const;
    // The same; std::nullopt if it is missing or null.
    template <class T>
    Result<std::optional<T>> get(Name pointer) const {
        yyjson_val *value = at(pointer);
        if (value == nullptr || yyjson_is_null(value))
            return std::nullopt;
        auto found = require<T>(pointer);
        if (!found)
            return std::unexpected(found.error());
        return std::optional<T>(*found);
    }

   private:
    template <class T, class C>
    Result<T> read(const mig_failure *(*function)(mig_document *, const char *, C *), Name pointer) const {
        C value;
        if (auto failure = function(document_, pointer.c(), &value))
            return std::unexpected(Failure(failure));
        if constexpr (std::same_as<C, mig_text>)
            return T(internal::cpp(value));
        else
            return T(value);
    }

    mig_document *document_;
};

template <>
inline Result<std::string_view> Document::require(Name pointer) const {
    return read<std::string_view>(mig_require_text, pointer);
}
template <>
inline Result<std::string> Document::require(Name pointer) const {
    return read<std::string>(mig_require_text, pointer);
}
template <>
inline Result<bool> Document::require(Name pointer) const {
    return read<bool>(mig_require_boolean, pointer);
}
template <>
inline Result<double> Document::require(Name pointer) const {
    return read<double>(mig_require_real, pointer);
}
template <>
inline Result<std::int64_t> Document::require(Name pointer) const {
    return read<std::int64_t>(mig_require_integer, pointer);
}
template <>
inline Result<std::uint64_t> Document::require(Name pointer) const {
    return read<std::uint64_t>(mig_require_unsigned, pointer);
}

// Edits of one document, in order, all or none. What no edit names keeps its exact bytes.
class Edits {
   public:
    // Replaces what is there, or adds a member to an object; in an array `-` appends.
    Edits &set(Name pointer, const Json &value) {
        mig_set(edits_, pointer.c(), value.c());
        return *this;
    }
    // There must be something.
    Edits &remove(Name pointer) {
        mig_remove(edits_, pointer.c());
        return *this;
    }
    // Moves a value without decoding it.
    Edits &rename(Name from, Name to) {
        mig_rename(edits_, from.c(), to.c());
        return *this;
    }
    const mig_edits *c() const { return edits_; }

   private:
    mig_edits *edits_ = mig_edits_new();
};

// Changes of this document and of others, together or not at all. The manifest must declare the tables.
class Changes {
   public:
    // The host derives the id from the document at hand, so that the same document never inserts twice.
    Changes &insert(Name table, const Json &body) {
        mig_insert(changes_, table.c(), body.c());
        return *this;
    }
    Changes &insert_as(Name table, std::string_view id, const Json &body) {
        mig_insert_as(changes_, table.c(), internal::c(id), body.c());
        return *this;
    }
    Changes &edit(Name table, std::string_view id, const Edits &edits) {
        mig_edit_document(changes_, table.c(), internal::c(id), edits.c());
        return *this;
    }
    Changes &replace(Name table, std::string_view id, const Json &body) {
        mig_replace_document(changes_, table.c(), internal::c(id), body.c());
        return *this;
    }
    Changes &remove(Name table, std::string_view id) {
        mig_delete_document(changes_, table.c(), internal::c(id));
        return *this;
    }
    const mig_changes *c() const { return changes_; }

   private:
    mig_changes *changes_ = mig_changes_new();
};

// What to do about one document. Edits, Changes and Failure become one by themselves.
class Outcome {
   public:
    Outcome(const Edits &edits) : outcome_(mig_edit(edits.c())) {}
    Outcome(const Changes &changes) : outcome_(mig_change(changes.c())) {}
    Outcome(Failure failure) : outcome_(mig_failed(failure.c())) {}
    // Leave it alone. Reasons are counted, so put no ids into them.
    static Outcome skip(Name reason) { return Outcome(mig_skip(reason.c())); }
    // Give it a new body; the host works out what really changed. Prefer edits.
    static Outcome replace(const Json &body) { return Outcome(mig_replace(body.c())); }
    // Take the document away.
    static Outcome remove() { return Outcome(mig_delete()); }
    mig_outcome c() const { return outcome_; }

   private:
    explicit Outcome(mig_outcome outcome) : outcome_(outcome) {}
    mig_outcome outcome_;
};

// What a field is compared with: see `at`.
class Condition {
   public:
    explicit Condition(mig_condition condition) : condition_(condition) {}
    mig_condition c() const { return condition_; }

   private:
    mig_condition condition_;
};

// Begins a condition: at("/role").equals("admin").
class at {
   public:
    explicit at(Name pointer) : pointer_(pointer) {}
    Condition present() const { return Condition(mig_present(pointer_.c())); }
    Condition missing() const { return Condition(mig_missing(pointer_.c())); }
    Condition equals(const Json &value) const { return Condition(mig_equals(pointer_.c(), value.c())); }
    Condition not_equals(const Json &value) const { return Condition(mig_not_equals(pointer_.c(), value.c())); }
    Condition less_than(const Json &value) const { return Condition(mig_less_than(pointer_.c(), value.c())); }
    Condition at_least(const Json &value) const { return Condition(mig_at_least(pointer_.c(), value.c())); }
    Condition one_of(std::initializer_list<Json> values) const {
        std::vector<mig_json> all;
        for (const Json &value : values)
            all.push_back(value.c());
        return Condition(mig_one_of(pointer_.c(), all.data(), all.size()));
    }

   private:
    Name pointer_;
};

// What a transform can ask besides its document. Cheap to copy.
class Context {
   public:
    explicit Context(mig_context *context) : context_(context) {}

    // When the run began, in milliseconds since 1970.
    std::uint64_t now() const { return mig_now(context_); }
    // The parameter of the run, or nullptr if it was not given.
    yyjson_val *param(Name name) const { return mig_param(context_, name.c()); }
    // The secret, where it was declared and granted.
    std::optional<std::string_view> secret(Name name) const {
        mig_text secret;
        if (!mig_secret(context_, name.c(), &secret))
            return std::nullopt;
        return internal::cpp(secret);
    }
    // An id for a new document, the same for the same seed.
    std::string_view new_id(Name table, std::string_view seed) const {
        return internal::cpp(mig_new_id(context_, table.c(), internal::c(seed)));
    }

    // Lines about the document at hand.
    void debug(Name message) const { mig_log(context_, MIG_DEBUG, message.c()); }
    void info(Name message) const { mig_log(context_, MIG_INFO, message.c()); }
    void warn(Name message) const { mig_log(context_, MIG_WARN, message.c()); }
    void error(Name message) const { mig_log(context_, MIG_ERROR, message.c()); }

    // Lookups in tables that the manifest reads: one query for each batch, however it looks here. Pass their failures on
    // with MIGRATION_TRY: an answer that is not there yet is one.
    Result<std::optional<Document>> get(Name table, std::string_view id) const {
        mig_document *found = nullptr;
        auto failure = mig_get(context_, table.c(), internal::c(id), &found);
        return one(failure, found);
    }
    Result<std::vector<std::optional<Document>>> get_many(Name table, std::span<const std::string_view> ids) const {
        std::vector<mig_text> asked;
        for (std::string_view id : ids)
            asked.push_back(internal::c(id));
        std::vector<mig_document *> found(ids.size());
        if (auto failure = mig_get_many(context_, table.c(), asked.data(), asked.size(), found.data()))
            return std::unexpected(Failure(failure));
        std::vector<std::optional<Document>> documents;
        for (mig_document *document : found)
            documents.push_back(document != nullptr ? std::optional(Document(document)) : std::nullopt);
        return documents;
    }
    Result<std::vector<Document>> find(Name table, std::initializer_list<Condition> conditions,
                                       std::uint32_t limit) const {
        mig_documents found;
        auto all = listed(conditions);
        if (auto failure = mig_find(context_, table.c(), all.data(), all.size(), limit, &found))
            return std::unexpected(Failure(failure));
        std::vector<Document> documents;
        for (std::size_t i = 0; i < found.count; i++)
            documents.push_back(Document(&found.items[i]));
        return documents;
    }
    Result<std::optional<Document>> find_one(Name table, std::initializer_list<Condition> conditions) const {
        mig_document *found = nullptr;
        auto all = listed(conditions);
        auto failure = mig_find_one(context_, table.c(), all.data(), all.size(), &found);
        return one(failure, found);
    }

   private:
    static std::vector<mig_condition> listed(std::initializer_list<Condition> conditions) {
        std::vector<mig_condition> all;
        for (const Condition &condition : conditions)
            all.push_back(condition.c());
        return all;
    }
    static Result<std::optional<Document>> one(const mig_failure *failure, mig_document *found) {
        if (failure != nullptr)
            return std::unexpected(Failure(failure));
        return found != nullptr ? std::optional(Document(found)) : std::nullopt;
    }

    mig_context *context_;
};

// What the migration is and all that it may touch. The host refuses everything else.
class Manifest {
   public:
    Manifest(const char *name, const char *table) {
        manifest_.name = name;
        manifest_.table = table;
    }
    // The schema version that the store has afterwards.
    Manifest &version(std::uint32_t version) {
        manifest_.version = version;
        return *this;
    }
    // One sentence for people.
    Manifest &description(const char *text) {
        manifest_.description = text;
        return *this;
    }
    // Only documents that meet this, and all other conditions. Choose it so that a migrated document does not.
    Manifest &only_if(const Condition &condition) {
        mig_only_if(&manifest_, condition.c());
        return *this;
    }
    // A migration that must have been applied before.
    Manifest &run_after(const char *migration) {
        mig_run_after(&manifest_, migration);
        return *this;
    }
    // A table that it looks documents up in, its own included.
    Manifest &reads(const char *table) {
        mig_reads(&manifest_, table);
        return *this;
    }
    // A table that it changes besides its own.
    Manifest &writes(const char *table) {
        mig_writes(&manifest_, table);
        return *this;
    }
    // A secret that it asks for.
    Manifest &secret(const char *name) {
        mig_needs_secret(&manifest_, name);
        return *this;
    }
    const mig_manifest &c() const { return manifest_; }

   private:
    mig_manifest manifest_{};
};

namespace internal {

template <Manifest (*manifest)()>
void describe(mig_manifest *described) {
    *described = manifest().c();
}

template <Outcome (*transform)(Document, Context)>
mig_outcome call(mig_document *document, mig_context *context) {
    return transform(Document(document), Context(context)).c();
}

}  // namespace internal
}  // namespace migration

// Makes a plugin of a function that returns the Manifest and one that returns the Outcome of a Document.
#define MIGRATION_EXPORT(manifest, transform) \
    MIG_EXPORT(::migration::internal::describe<manifest>, ::migration::internal::call<transform>)

// The same for a migration that can also take its own work back.
#define MIGRATION_EXPORT_REVERSIBLE(manifest, transform, revert)                                                  \
    MIG_EXPORT_REVERSIBLE(::migration::internal::describe<manifest>, ::migration::internal::call<transform>,      \
                          ::migration::internal::call<revert>)

#endif
