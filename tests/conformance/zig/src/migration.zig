//! What `../README.md` says that a conformance plugin does.

const std = @import("std");
const migration = @import("migration");

const Changes = migration.Changes;
const Context = migration.Context;
const Document = migration.Document;
const Outcome = migration.Outcome;

pub const manifest: migration.Manifest = .{
    .name = "conformance",
    .description = "Does what its document says",
    .version = 1,
    .table = "things",
    .filter = &.{.present("/do")},
    .reads = &.{"facts"},
    .writes = &.{"others"},
    .secrets = &.{"KEY"},
};

/// What a document can say. The names are those of the cases.
const Answer = enum {
    skip,
    set,
    nested,
    append,
    touch,
    copy,
    count,
    remove,
    rename,
    replace,
    replaced,
    delete,
    changes,
    fail,
    get,
    find,
    ungranted,
    param,
    secret,
    now,
    @"new-id",
    log,
    throw,
    trap,
    loop,
    recurse,
    leak,
};

pub fn transform(thing: Document, context: Context) !Outcome {
    const what = try thing.require([]const u8, "/do");
    const answer = std.meta.stringToEnum(Answer, what) orelse
        return .fail("unknown", "cannot do that", "/do");
    switch (answer) {
        .skip => return .skip(try thing.require([:0]const u8, "/reason")),
        .set => return .edit(.of(.{
            .flag = true,
            .list = .{ 1, "two", null },
            .nothing = null,
            .number = 42,
            .object = .{ .a = .{ .b = 1.5 } },
            .text = "text",
        })),
        .nested => return setOnly("/address/city", "Paris"),
        .append => return setOnly("/list/-", "x"),
        .touch => return .edit(.of(.{ .touched = true })),
        .copy => return .edit(.of(.{ .copy = try thing.require([]const u8, "/text") })),
        .count => return .edit(.of(.{ .n = try thing.require(i64, "/n") + 1 })),
        .remove => return if (thing.has("/old")) removeOnly("/old") else .skip("nothing to remove"),
        .rename => {
            if (!thing.has("/old")) return .skip("nothing to rename");
            const edits: migration.Edits = .init();
            edits.rename("/old", "/new");
            return .edit(edits);
        },
        .replace => return .replace(.{ .do = "replaced", .text = try thing.require([]const u8, "/text") }),
        .replaced => return .skip("replaced"),
        .delete => return .delete(),
        .changes => return change(thing),
        .fail => return .fail("refused", "not this one", "/do"),
        .get => {
            const fact = try context.get("facts", try thing.require([]const u8, "/fact")) orelse
                return .fail("no-fact", "no such fact", "/fact");
            return .edit(.of(.{ .value = try fact.require([]const u8, "/value") }));
        },
        .find => return find(thing, context),
        .ungranted => {
            const found = try context.get("elsewhere", "1");
            return .skip(if (found == null) "it was granted" else "it was granted and found");
        },
        .param => {
            const phase = try context.param([]const u8, "phase") orelse return .skip("no phase");
            return .edit(.of(.{ .phase = phase }));
        },
        .secret => return if (context.secret("KEY")) |key| .edit(.of(.{ .secret = key })) else .skip("no secret"),
        .now => return .edit(.of(.{ .at = context.now() })),
        .@"new-id" => {
            const seed = try thing.require([]const u8, "/seed");
            return .edit(.of(.{ .ref = context.newId("others", seed) }));
        },
        .log => {
            context.log(.debug, "one");
            context.log(.info, "two");
            context.log(.warn, "three");
            context.log(.err, "four");
            return .skip("logged");
        },
        .throw => return error.Thrown,
        .trap => @trap(),
        .loop => while (true) {
            turns.* +%= 1;
        },
        .recurse => {
            turns.* = deeper(turns);
            return .skip("came back");
        },
        .leak => while (true) {
            const kept = try migration.allocator.alloc(u8, 1 << 16);
            @memset(kept, @truncate(turns.*));
            turns.* +%= kept[kept.len - 1];
        },
    }
}

pub fn revert(thing: Document, _: Context) !Outcome {
    return if (thing.has("/done")) removeOnly("/done") else .skip("not done");
}

fn setOnly(pointer: [:0]const u8, value: anytype) Outcome {
    const edits: migration.Edits = .init();
    edits.set(pointer, value);
    return .edit(edits);
}

fn removeOnly(pointer: [:0]const u8) Outcome {
    const edits: migration.Edits = .init();
    edits.remove(pointer);
    return .edit(edits);
}

fn change(thing: Document) Outcome {
    if (thing.has("/done")) return .skip("done");
    const changes: Changes = .init();
    changes.edit("things", thing.id(), .of(.{ .done = true }));
    changes.insert("others", .{ .from = thing.id() });
    changes.insertAs("others", "given", .{ .given = true });
    changes.edit("others", "edited", .of(.{ .seen = true }));
    changes.replace("others", "replaced", .{ .new = true });
    changes.delete("others", "deleted");
    return .change(changes);
}

fn find(thing: Document, context: Context) !Outcome {
    const kind = try thing.require([]const u8, "/kind");
    const facts = try context.find("facts", &.{.equals("/kind", kind)}, 2);
    const ids = try migration.allocator.alloc([]const u8, facts.len);
    for (facts, ids) |fact, *id| id.* = fact.id();
    return .edit(.of(.{ .found = ids }));
}

/// What an endless loop does must be seen by someone, lest the compiler leaves it out.
var turned: u32 = 0;
const turns: *volatile u32 = &turned;

fn deeper(outer: *volatile u32) u32 {
    var inner = outer.* +% 1;
    const seen: *volatile u32 = &inner;
    return deeper(seen) +% seen.*;
}
