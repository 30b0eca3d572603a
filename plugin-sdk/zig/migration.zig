//! Write a data migration in Zig: say what becomes of ONE document. Batches, transactions, resuming, concurrent
//! writers, limits, undo and the report are the host's.
//!
//!     const std = @import("std");
//!     const migration = @import("migration");
//!
//!     pub const manifest: migration.Manifest = .{
//!         .name = "backfill-display-names",
//!         .table = "users",
//!         .version = 1,
//!         .filter = &.{.missing("/displayName")},
//!     };
//!
//!     const User = struct { email: []const u8 };
//!
//!     pub fn transform(document: migration.Document, context: migration.Context) !migration.Outcome {
//!         const user = try document.parse(User);
//!         const end = std.mem.findScalar(u8, user.email, '@') orelse
//!             return .fail("no-name", "email has no @", "/email");
//!         return .edit(.of(.{ .displayName = user.email[0..end], .updatedAt = context.now() }));
//!     }
//!
//! A `pub fn revert` of the same type makes it a migration that can take its own work back; then
//! `world = "reversible-migration"` stands in `plugin.toml`.
//!
//! Errors: whatever `try` passes on fails the document. The SDK's own errors say why; of any other the code is its name
//! (`error.NoTitle` fails with `no-title`). A panic traps, which loses that document only, and says less.
//!
//! Memory: a plugin lives for one batch of documents and is thrown away with all its memory. `allocator` gives memory
//! until the transform returns, and need not be given anything back; what is passed to the SDK is copied.
//!
//! A transform may run several times for one document, since lookups are asked for a whole batch at once: pass their
//! errors on with `try`. It must be pure: have no variables outside of functions that change.

const std = @import("std");
const c = @import("c.zig");

/// Memory until the transform returns.
pub const allocator: std.mem.Allocator = .{ .ptr = undefined, .vtable = &.{
    .alloc = alloc,
    .resize = std.mem.Allocator.noResize,
    .remap = std.mem.Allocator.noRemap,
    .free = std.mem.Allocator.noFree,
} };

fn alloc(_: *anyopaque, len: usize, alignment: std.mem.Alignment, _: usize) ?[*]u8 {
    // The C SDK's memory is aligned for everything that C knows; more than that is made here.
    const address = @intFromPtr(c.mig_alloc(len + alignment.toByteUnits()));
    return @ptrFromInt(alignment.forward(address));
}

/// What fails the document that is being transformed. `Failed` is the SDK's own; the reason stands in `last`.
pub const Error = error{Failed};

/// The failure that `Error.Failed` stands for.
var last: ?*const c.Failure = null;

fn check(failure: ?*const c.Failure) Error!void {
    if (failure) |reason| {
        last = reason;
        return error.Failed;
    }
}

fn fail(code: [:0]const u8, message: [:0]const u8, at: ?[:0]const u8) Error {
    last = c.mig_failure_new(code, message, if (at) |pointer| pointer.ptr else null);
    return error.Failed;
}

/// Text that is made of parts, for messages: `print("no user {s}", .{id})`.
pub fn print(comptime format: []const u8, arguments: anytype) [:0]const u8 {
    // The allocator traps where there is no memory.
    return std.fmt.allocPrintSentinel(allocator, format, arguments, 0) catch unreachable;
}

/// One JSON text.
pub const Json = struct {
    c: c.Json,

    /// A string, number, boolean, null, optional, struct, slice, … as `std.json` writes it; a Json is itself.
    pub fn of(value: anytype) Json {
        const T = @TypeOf(value);
        if (T == Json) return value;
        if (T == std.json.Value) return written(value);
        switch (@typeInfo(T)) {
            .float, .comptime_float => return .{ .c = c.mig_real(value) },
            .optional => return if (value) |inner| of(inner) else verbatim("null"),
            else => {},
        }
        if (comptime isText(T)) return .{ .c = c.mig_string(.of(value)) };
        return written(value);
    }

    /// Text that is JSON already. The host checks it.
    pub fn verbatim(text: []const u8) Json {
        return .{ .c = c.mig_verbatim(.of(text)) };
    }

    fn written(value: anytype) Json {
        return verbatim(std.json.Stringify.valueAlloc(allocator, value, .{}) catch unreachable);
    }
};

fn isText(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .pointer => |pointer| switch (pointer.size) {
            .slice => pointer.child == u8,
            .one => switch (@typeInfo(pointer.child)) {
                .array => |array| array.child == u8,
                else => false,
            },
            else => false,
        },
        else => false,
    };
}

/// A document: a key, and a body that is read by type or by JSON Pointers (RFC 6901).
pub const Document = struct {
    c: *c.Document,

    /// The key within its table, as text.
    pub fn id(document: Document) [:0]const u8 {
        return document.c.id.slice();
    }

    /// The body, as the store's own JSON text.
    pub fn body(document: Document) []const u8 {
        return document.c.body.ptr[0..document.c.body.len];
    }

    /// The whole body as a type of yours. Name only the fields that you read: the others are passed over, and with
    /// edits they stay what they are.
    pub fn parse(document: Document, comptime T: type) Error!T {
        return parsed(T, document.body()) catch |failure|
            return fail("invalid-document", print("the body is no {s}: {s}", .{ @typeName(T), @errorName(failure) }), null);
    }

    /// Whether there is a value, null included.
    pub fn has(document: Document, pointer: [:0]const u8) bool {
        return c.mig_has(document.c, pointer);
    }

    /// The value with every number spelled as in the document, to pass it on.
    pub fn raw(document: Document, pointer: [:0]const u8) Error!Json {
        var json: c.Json = undefined;
        try check(c.mig_raw(document.c, pointer, &json));
        return .{ .c = json };
    }

    /// A value; one that is missing or null is the failure missing-field, another type invalid-field.
    pub fn require(document: Document, comptime T: type, pointer: [:0]const u8) Error!T {
        if (T == []const u8 or T == [:0]const u8) {
            var text: c.Text = undefined;
            try check(c.mig_require_text(document.c, pointer, &text));
            return text.slice();
        }
        if (T == bool) {
            var value: bool = undefined;
            try check(c.mig_require_boolean(document.c, pointer, &value));
            return value;
        }
        if (@typeInfo(T) == .float) {
            var value: f64 = undefined;
            try check(c.mig_require_real(document.c, pointer, &value));
            return @floatCast(value);
        }
        const found = c.mig_at(document.c, pointer) orelse
            return fail("missing-field", print("there is no {s}", .{pointer}), pointer);
        const text = c.mig_value(found).text;
        if (std.mem.eql(u8, text.ptr.?[0..text.len], "null"))
            return fail("missing-field", print("there is no {s}", .{pointer}), pointer);
        return parsed(T, text.ptr.?[0..text.len]) catch |failure|
            return fail("invalid-field", print("the value is no {s}: {s}", .{ @typeName(T), @errorName(failure) }), pointer);
    }

    /// The same; null if it is missing or null.
    pub fn get(document: Document, comptime T: type, pointer: [:0]const u8) Error!?T {
        const found = c.mig_at(document.c, pointer) orelse return null;
        const text = c.mig_value(found).text;
        if (std.mem.eql(u8, text.ptr.?[0..text.len], "null")) return null;
        return try document.require(T, pointer);
    }
};

fn parsed(comptime T: type, text: []const u8) !T {
    return std.json.parseFromSliceLeaky(T, allocator, text, .{
        .ignore_unknown_fields = true,
        .duplicate_field_behavior = .use_last,
    });
}

/// Edits of one document, in order, all or none. What no edit names keeps its exact bytes.
pub const Edits = struct {
    c: *c.Edits,

    pub fn init() Edits {
        return .{ .c = c.mig_edits_new() };
    }

    /// Sets each field of a struct: `.of(.{ .displayName = name })`.
    pub fn of(fields: anytype) Edits {
        const edits: Edits = .init();
        inline for (comptime std.meta.fieldNames(@TypeOf(fields))) |name|
            edits.set("/" ++ comptime escaped(name), @field(fields, name));
        return edits;
    }

    /// Replaces what is there, or adds a member to an object; in an array `-` appends.
    pub fn set(edits: Edits, pointer: [:0]const u8, value: anytype) void {
        c.mig_set(edits.c, pointer, Json.of(value).c);
    }

    /// There must be something.
    pub fn remove(edits: Edits, pointer: [:0]const u8) void {
        c.mig_remove(edits.c, pointer);
    }

    /// Moves a value without decoding it.
    pub fn rename(edits: Edits, from: [:0]const u8, to: [:0]const u8) void {
        c.mig_rename(edits.c, from, to);
    }
};

/// A key as a JSON Pointer spells it.
fn escaped(comptime key: []const u8) [:0]const u8 {
    comptime {
        var text: [:0]const u8 = "";
        for (key) |byte| text = text ++ switch (byte) {
            '~' => "~0",
            '/' => "~1",
            else => &[_]u8{byte},
        };
        return text;
    }
}

/// Changes of this document and of others, together or not at all. The manifest must declare the tables.
pub const Changes = struct {
    c: *c.Changes,

    pub fn init() Changes {
        return .{ .c = c.mig_changes_new() };
    }

    /// The host derives the id from the document at hand, so that the same document never inserts twice.
    pub fn insert(changes: Changes, table: [:0]const u8, body: anytype) void {
        c.mig_insert(changes.c, table, Json.of(body).c);
    }

    pub fn insertAs(changes: Changes, table: [:0]const u8, id: []const u8, body: anytype) void {
        c.mig_insert_as(changes.c, table, .of(id), Json.of(body).c);
    }

    pub fn edit(changes: Changes, table: [:0]const u8, id: []const u8, edits: Edits) void {
        c.mig_edit_document(changes.c, table, .of(id), edits.c);
    }

    pub fn replace(changes: Changes, table: [:0]const u8, id: []const u8, body: anytype) void {
        c.mig_replace_document(changes.c, table, .of(id), Json.of(body).c);
    }

    pub fn delete(changes: Changes, table: [:0]const u8, id: []const u8) void {
        c.mig_delete_document(changes.c, table, .of(id));
    }
};

/// What to do about one document.
pub const Outcome = struct {
    c: c.Outcome,

    pub fn edit(edits: Edits) Outcome {
        return .{ .c = c.mig_edit(edits.c) };
    }

    pub fn change(changes: Changes) Outcome {
        return .{ .c = c.mig_change(changes.c) };
    }

    /// Leave it alone. Reasons are counted, so put no ids into them.
    pub fn skip(reason: [:0]const u8) Outcome {
        return .{ .c = c.mig_skip(reason) };
    }

    /// Give it a new body; the host works out what really changed. Prefer edits.
    pub fn replace(body: anytype) Outcome {
        return .{ .c = c.mig_replace(Json.of(body).c) };
    }

    pub fn delete() Outcome {
        return .{ .c = c.mig_delete() };
    }

    /// Quarantine it; the run goes on. `code` is stable and for machines, `message` for people, `at` the pointer.
    pub fn fail(code: [:0]const u8, message: [:0]const u8, at: ?[:0]const u8) Outcome {
        return .{ .c = c.mig_failed(c.mig_failure_new(code, message, if (at) |pointer| pointer.ptr else null)) };
    }
};

/// What a field is compared with: a string, a number, a boolean or null.
pub const Scalar = union(enum) {
    text: []const u8,
    integer: i64,
    unsigned: u64,
    real: f64,
    boolean: bool,
    null,

    pub fn of(value: anytype) Scalar {
        const T = @TypeOf(value);
        if (T == Scalar) return value;
        if (T == bool) return .{ .boolean = value };
        return switch (@typeInfo(T)) {
            .null => .null,
            .optional => if (value) |inner| of(inner) else .null,
            .int => |int| if (int.signedness == .signed) .{ .integer = value } else .{ .unsigned = value },
            .comptime_int => if (value < 0) .{ .integer = value } else .{ .unsigned = value },
            .float, .comptime_float => .{ .real = value },
            else => .{ .text = value },
        };
    }

    fn json(scalar: Scalar) c.Json {
        return switch (scalar) {
            .null => Json.verbatim("null").c,
            inline else => |value| Json.of(value).c,
        };
    }
};

/// A condition on a field: `.missing("/displayName")`, `.equals("/role", "admin")`.
pub const Condition = struct {
    at: [:0]const u8,
    is: union(enum) {
        present,
        missing,
        equals: Scalar,
        not_equals: Scalar,
        less_than: Scalar,
        at_least: Scalar,
        one_of: []const Scalar,
    },

    pub fn present(at: [:0]const u8) Condition {
        return .{ .at = at, .is = .present };
    }

    pub fn missing(at: [:0]const u8) Condition {
        return .{ .at = at, .is = .missing };
    }

    pub fn equals(at: [:0]const u8, value: anytype) Condition {
        return .{ .at = at, .is = .{ .equals = .of(value) } };
    }

    pub fn notEquals(at: [:0]const u8, value: anytype) Condition {
        return .{ .at = at, .is = .{ .not_equals = .of(value) } };
    }

    pub fn lessThan(at: [:0]const u8, value: anytype) Condition {
        return .{ .at = at, .is = .{ .less_than = .of(value) } };
    }

    pub fn atLeast(at: [:0]const u8, value: anytype) Condition {
        return .{ .at = at, .is = .{ .at_least = .of(value) } };
    }

    pub fn oneOf(at: [:0]const u8, values: []const Scalar) Condition {
        return .{ .at = at, .is = .{ .one_of = values } };
    }

    fn made(condition: Condition) c.Condition {
        return switch (condition.is) {
            .present => c.mig_present(condition.at),
            .missing => c.mig_missing(condition.at),
            .equals => |value| c.mig_equals(condition.at, value.json()),
            .not_equals => |value| c.mig_not_equals(condition.at, value.json()),
            .less_than => |value| c.mig_less_than(condition.at, value.json()),
            .at_least => |value| c.mig_at_least(condition.at, value.json()),
            .one_of => |values| c.mig_one_of(condition.at, list(c.Json, values, Scalar.json).ptr, values.len),
        };
    }
};

/// Each element as C has it.
fn list(comptime To: type, from: anytype, comptime convert: anytype) []To {
    const to = allocator.alloc(To, from.len) catch unreachable;
    for (from, to) |element, *place| place.* = convert(element);
    return to;
}

/// What a transform can ask besides its document.
pub const Context = struct {
    c: *c.Context,

    /// When the run began, in milliseconds since 1970. It stands still for the whole run.
    pub fn now(context: Context) u64 {
        return c.mig_now(context.c);
    }

    /// The parameter of the run, or null if it was not given.
    pub fn param(context: Context, comptime T: type, name: [:0]const u8) Error!?T {
        const found = c.mig_param(context.c, name) orelse return null;
        const text = c.mig_value(found).text;
        return parsed(T, text.ptr.?[0..text.len]) catch |failure|
            return fail("invalid-parameter", print("the parameter {s} is no {s}: {s}", .{ name, @typeName(T), @errorName(failure) }), null);
    }

    /// The secret, where it was declared and granted.
    pub fn secret(context: Context, name: [:0]const u8) ?[:0]const u8 {
        var text: c.Text = undefined;
        return if (c.mig_secret(context.c, name, &text)) text.slice() else null;
    }

    /// An id for a new document, the same for the same seed.
    pub fn newId(context: Context, table: [:0]const u8, seed: []const u8) [:0]const u8 {
        return c.mig_new_id(context.c, table, .of(seed)).slice();
    }

    pub const Level = enum(c_uint) { debug, info, warn, err };

    /// Writes a line about the document at hand.
    pub fn log(context: Context, level: Level, message: [:0]const u8) void {
        c.mig_log(context.c, @intFromEnum(level), message);
    }

    /// The document with this id, if there is one, of a table that the manifest reads. This and the other lookups are one
    /// query for each batch, however it looks here.
    pub fn get(context: Context, table: [:0]const u8, id: []const u8) Error!?Document {
        const found = try context.getMany(table, &.{id});
        return found[0];
    }

    pub fn getMany(context: Context, table: [:0]const u8, ids: []const []const u8) Error![]?Document {
        const asked = list(c.Text, ids, c.Text.of);
        const found = allocator.alloc(?*c.Document, ids.len) catch unreachable;
        try check(c.mig_get_many(context.c, table, asked.ptr, asked.len, found.ptr));
        return list(?Document, found, optionalDocument);
    }

    /// The first `limit` documents, by id, that meet all conditions.
    pub fn find(context: Context, table: [:0]const u8, conditions: []const Condition, limit: u32) Error![]Document {
        const made = list(c.Condition, conditions, Condition.made);
        var found: c.Documents = undefined;
        try check(c.mig_find(context.c, table, made.ptr, made.len, limit, &found));
        const documents = allocator.alloc(Document, found.count) catch unreachable;
        for (documents, found.items) |*place, *document| place.* = .{ .c = document };
        return documents;
    }

    /// The first of them.
    pub fn findOne(context: Context, table: [:0]const u8, conditions: []const Condition) Error!?Document {
        const found = try context.find(table, conditions, 1);
        return if (found.len > 0) found[0] else null;
    }
};

fn optionalDocument(document: ?*c.Document) ?Document {
    return if (document) |there| .{ .c = there } else null;
}

/// What the migration is and all that it may touch. The host refuses everything else.
pub const Manifest = struct {
    /// Its identity in the store's history: lower-case words joined by hyphens.
    name: [:0]const u8,
    /// The table whose documents it transforms.
    table: [:0]const u8,
    /// The schema version that the store has afterwards.
    version: u32 = 0,
    /// One sentence for people.
    description: [:0]const u8 = "",
    /// Only documents that meet all of these are passed to it. Choose them so that a migrated document does not.
    filter: []const Condition = &.{},
    /// Migrations that must have been applied before.
    run_after: []const [:0]const u8 = &.{},
    /// Tables that it looks documents up in, its own included.
    reads: []const [:0]const u8 = &.{},
    /// Tables that it changes besides its own.
    writes: []const [:0]const u8 = &.{},
    /// Secrets that it asks for.
    secrets: []const [:0]const u8 = &.{},
    /// The most lookups for one document.
    lookups: u32 = 100,
};

/// What the C SDK calls, made of the plugin's own file. `root.zig` exports it.
pub fn Exports(comptime plugin: type) type {
    return struct {
        const manifest: Manifest = plugin.manifest;

        pub const migration: c.Migration = .{
            .describe = describe,
            .transform = calling(plugin.transform),
            .revert = if (@hasDecl(plugin, "revert")) calling(plugin.revert) else null,
            .lookups = manifest.lookups,
        };

        fn describe(made: *c.Manifest) callconv(.c) void {
            made.name = manifest.name;
            made.table = manifest.table;
            made.description = manifest.description;
            made.version = manifest.version;
            for (manifest.filter) |condition| c.mig_only_if(made, condition.made());
            for (manifest.run_after) |name| c.mig_run_after(made, name);
            for (manifest.reads) |name| c.mig_reads(made, name);
            for (manifest.writes) |name| c.mig_writes(made, name);
            for (manifest.secrets) |name| c.mig_needs_secret(made, name);
        }
    };
}

fn calling(comptime function: anytype) *const c.Function {
    return struct {
        fn call(document: *c.Document, context: *c.Context) callconv(.c) c.Outcome {
            last = null;
            const answer: anyerror!Outcome = function(.{ .c = document }, .{ .c = context });
            const outcome = answer catch |failure| return failed(failure);
            return outcome.c;
        }
    }.call;
}

/// The SDK's own errors have a reason; of any other the name is one.
fn failed(failure: anyerror) c.Outcome {
    if (failure == error.Failed) {
        if (last) |reason| return c.mig_failed(reason);
    }
    const name = @errorName(failure);
    return c.mig_failed(c.mig_failure_new(kebab(name), name, null));
}

/// `NoTitle` as `no-title`.
fn kebab(name: []const u8) [:0]const u8 {
    const text = allocator.allocSentinel(u8, name.len * 2, 0) catch unreachable;
    var len: usize = 0;
    for (name, 0..) |byte, place| {
        if (std.ascii.isUpper(byte) and place > 0) {
            text[len] = '-';
            len += 1;
        }
        text[len] = std.ascii.toLower(byte);
        len += 1;
    }
    text[len] = 0;
    return text[0..len :0];
}
