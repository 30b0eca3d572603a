// What `../README.md` says that a conformance plugin does.
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <migration.hpp>

using namespace migration;

static Manifest manifest() {
    return Manifest("conformance", "things")
        .description("Does what its document says")
        .version(1)
        .only_if(at("/do").present())
        .reads("facts")
        .writes("others")
        .secret("KEY");
}

static Outcome set_all() {
    return Edits()
        .set("/flag", true)
        .set("/list", Json::verbatim(R"([1, "two", null])"))
        .set("/nothing", nullptr)
        .set("/number", 42)
        .set("/object", Json::verbatim(R"({"a": {"b": 1.5}})"))
        .set("/text", "text");
}

static Outcome replace(Document thing) {
    MIGRATION_TRY(text, thing.require<std::string_view>("/text"));
    yyjson_mut_doc *builder = mig_builder();
    yyjson_mut_val *body = yyjson_mut_obj(builder);
    yyjson_mut_obj_add_str(builder, body, "do", "replaced");
    yyjson_mut_obj_add_strn(builder, body, "text", text.data(), text.size());
    return Outcome::replace(body);
}

static Outcome change(Document thing) {
    if (thing.has("/done"))
        return Outcome::skip("done");
    yyjson_mut_doc *builder = mig_builder();
    yyjson_mut_val *from = yyjson_mut_obj(builder);
    yyjson_mut_obj_add_strn(builder, from, "from", thing.id().data(), thing.id().size());
    return Changes()
        .edit("things", thing.id(), Edits().set("/done", true))
        .insert("others", from)
        .insert_as("others", "given", Json::verbatim(R"({"given": true})"))
        .edit("others", "edited", Edits().set("/seen", true))
        .replace("others", "replaced", Json::verbatim(R"({"new": true})"))
        .remove("others", "deleted");
}

static Outcome get(Document thing, Context context) {
    MIGRATION_TRY(id, thing.require<std::string_view>("/fact"));
    MIGRATION_TRY(fact, context.get("facts", id));
    if (!fact)
        return Failure("no-fact", "no such fact", "/fact");
    MIGRATION_TRY(value, fact->require<std::string_view>("/value"));
    return Edits().set("/value", value);
}

static Outcome find(Document thing, Context context) {
    MIGRATION_TRY(kind, thing.require<std::string_view>("/kind"));
    MIGRATION_TRY(facts, context.find("facts", {at("/kind").equals(kind)}, 2));
    yyjson_mut_doc *builder = mig_builder();
    yyjson_mut_val *ids = yyjson_mut_arr(builder);
    for (Document fact : facts)
        yyjson_mut_arr_add_strn(builder, ids, fact.id().data(), fact.id().size());
    return Edits().set("/found", ids);
}

static Outcome look_elsewhere(Context context) {
    MIGRATION_TRY(found, context.get("elsewhere", "1"));
    return Outcome::skip(found ? "it was granted and found" : "it was granted");
}

static Outcome write_log(Context context) {
    context.debug("one");
    context.info("two");
    context.warn("three");
    context.error("four");
    return Outcome::skip("logged");
}

// There are no exceptions: what would throw in the standard library ends the plugin.
static Outcome throw_it() {
    std::vector<int> none;
    return Outcome::skip(std::to_string(none.at(1)));
}

static volatile unsigned turns;

[[noreturn]] static void loop() {
    for (;;)
        turns = turns + 1;
}

static unsigned deeper(volatile unsigned *outer) {
    volatile unsigned inner = *outer + 1;
    return deeper(&inner) + inner;
}

static Outcome leak() {
    std::vector<std::unique_ptr<std::string>> kept;
    for (;;)
        kept.push_back(std::make_unique<std::string>(1 << 16, 'x'));
}

static Outcome transform(Document thing, Context context) {
    MIGRATION_TRY(what, thing.require<std::string_view>("/do"));
    if (what == "skip") {
        MIGRATION_TRY(reason, thing.require<std::string>("/reason"));
        return Outcome::skip(reason);
    }
    if (what == "set")
        return set_all();
    if (what == "nested")
        return Edits().set("/address/city", "Paris");
    if (what == "append")
        return Edits().set("/list/-", "x");
    if (what == "touch")
        return Edits().set("/touched", true);
    if (what == "copy") {
        MIGRATION_TRY(text, thing.require<std::string_view>("/text"));
        return Edits().set("/copy", text);
    }
    if (what == "count") {
        MIGRATION_TRY(n, thing.require<std::int64_t>("/n"));
        return Edits().set("/n", n + 1);
    }
    if (what == "remove")
        return thing.has("/old") ? Outcome(Edits().remove("/old")) : Outcome::skip("nothing to remove");
    if (what == "rename")
        return thing.has("/old") ? Outcome(Edits().rename("/old", "/new")) : Outcome::skip("nothing to rename");
    if (what == "replace")
        return replace(thing);
    if (what == "replaced")
        return Outcome::skip("replaced");
    if (what == "delete")
        return Outcome::remove();
    if (what == "changes")
        return change(thing);
    if (what == "fail")
        return Failure("refused", "not this one", "/do");
    if (what == "get")
        return get(thing, context);
    if (what == "find")
        return find(thing, context);
    if (what == "ungranted")
        return look_elsewhere(context);
    if (what == "param") {
        const yyjson_val *phase = context.param("phase");
        return phase != nullptr ? Outcome(Edits().set("/phase", phase)) : Outcome::skip("no phase");
    }
    if (what == "secret") {
        auto key = context.secret("KEY");
        return key ? Outcome(Edits().set("/secret", *key)) : Outcome::skip("no secret");
    }
    if (what == "now")
        return Edits().set("/at", context.now());
    if (what == "new-id") {
        MIGRATION_TRY(seed, thing.require<std::string_view>("/seed"));
        return Edits().set("/ref", context.new_id("others", seed));
    }
    if (what == "log")
        return write_log(context);
    if (what == "throw")
        return throw_it();
    if (what == "trap")
        __builtin_trap();
    if (what == "loop")
        loop();
    if (what == "recurse")
        turns = deeper(&turns);
    if (what == "leak")
        return leak();
    return Failure("unknown", "cannot do that", "/do");
}

static Outcome revert(Document thing, Context) {
    return thing.has("/done") ? Outcome(Edits().remove("/done")) : Outcome::skip("not done");
}

MIGRATION_EXPORT_REVERSIBLE(manifest, transform, revert);
