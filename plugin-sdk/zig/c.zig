//! The C SDK's functions, as `migration.h` declares and describes them.

pub const Text = extern struct {
    ptr: [*]const u8,
    len: usize,

    pub fn of(text: []const u8) Text {
        return .{ .ptr = text.ptr, .len = text.len };
    }

    pub fn slice(text: Text) [:0]const u8 {
        return text.ptr[0..text.len :0];
    }
};

pub const Json = extern struct { text: extern struct { ptr: ?[*]const u8, len: usize } };
pub const Failure = opaque {};
pub const Context = opaque {};
pub const Edits = opaque {};
pub const Changes = opaque {};
pub const Value = opaque {};
pub const Outcome = extern struct { made: ?*const anyopaque };
pub const Document = extern struct { id: Text, body: Text, parsed: ?*anyopaque };
pub const Documents = extern struct { items: [*]Document, count: usize };
pub const Condition = extern struct { at: [*:0]const u8, @"test": u8, values: ?[*]const Json, count: usize };
pub const Names = extern struct { items: ?[*]const [*:0]const u8 = null, count: usize = 0 };
pub const Manifest = extern struct {
    name: [*:0]const u8,
    table: [*:0]const u8,
    description: ?[*:0]const u8,
    version: u32,
    run_after: Names = .{},
    reads: Names = .{},
    writes: Names = .{},
    secrets: Names = .{},
    filter: ?[*]const Condition = null,
    filter_count: usize = 0,
};
pub const Function = fn (*Document, *Context) callconv(.c) Outcome;
pub const Migration = extern struct {
    describe: *const fn (*Manifest) callconv(.c) void,
    transform: *const Function,
    revert: ?*const Function,
    lookups: u32,
};

pub extern fn mig_alloc(usize) *anyopaque;
pub extern fn mig_string(Text) Json;
pub extern fn mig_real(f64) Json;
pub extern fn mig_verbatim(Text) Json;
pub extern fn mig_failure_new([*:0]const u8, [*:0]const u8, ?[*:0]const u8) *const Failure;

pub extern fn mig_has(*Document, [*:0]const u8) bool;
pub extern fn mig_at(*Document, [*:0]const u8) ?*Value;
pub extern fn mig_value(*const Value) Json;
pub extern fn mig_raw(*Document, [*:0]const u8, *Json) ?*const Failure;
pub extern fn mig_require_text(*Document, [*:0]const u8, *Text) ?*const Failure;
pub extern fn mig_require_integer(*Document, [*:0]const u8, *i64) ?*const Failure;
pub extern fn mig_require_unsigned(*Document, [*:0]const u8, *u64) ?*const Failure;
pub extern fn mig_require_real(*Document, [*:0]const u8, *f64) ?*const Failure;
pub extern fn mig_require_boolean(*Document, [*:0]const u8, *bool) ?*const Failure;

pub extern fn mig_skip([*:0]const u8) Outcome;
pub extern fn mig_replace(Json) Outcome;
pub extern fn mig_delete() Outcome;
pub extern fn mig_failed(*const Failure) Outcome;
pub extern fn mig_edits_new() *Edits;
pub extern fn mig_set(*Edits, [*:0]const u8, Json) void;
pub extern fn mig_remove(*Edits, [*:0]const u8) void;
pub extern fn mig_rename(*Edits, [*:0]const u8, [*:0]const u8) void;
pub extern fn mig_edit(*const Edits) Outcome;
pub extern fn mig_changes_new() *Changes;
pub extern fn mig_insert(*Changes, [*:0]const u8, Json) void;
pub extern fn mig_insert_as(*Changes, [*:0]const u8, Text, Json) void;
pub extern fn mig_edit_document(*Changes, [*:0]const u8, Text, *const Edits) void;
pub extern fn mig_replace_document(*Changes, [*:0]const u8, Text, Json) void;
pub extern fn mig_delete_document(*Changes, [*:0]const u8, Text) void;
pub extern fn mig_change(*const Changes) Outcome;

pub extern fn mig_present([*:0]const u8) Condition;
pub extern fn mig_missing([*:0]const u8) Condition;
pub extern fn mig_equals([*:0]const u8, Json) Condition;
pub extern fn mig_not_equals([*:0]const u8, Json) Condition;
pub extern fn mig_less_than([*:0]const u8, Json) Condition;
pub extern fn mig_at_least([*:0]const u8, Json) Condition;
pub extern fn mig_one_of([*:0]const u8, [*]const Json, usize) Condition;

pub extern fn mig_now(*Context) u64;
pub extern fn mig_param(*Context, [*:0]const u8) ?*Value;
pub extern fn mig_secret(*Context, [*:0]const u8, *Text) bool;
pub extern fn mig_new_id(*Context, [*:0]const u8, Text) Text;
pub extern fn mig_log(*Context, c_uint, [*:0]const u8) void;
pub extern fn mig_get_many(*Context, [*:0]const u8, [*]const Text, usize, [*]?*Document) ?*const Failure;
pub extern fn mig_find(*Context, [*:0]const u8, [*]const Condition, usize, u32, *Documents) ?*const Failure;

pub extern fn mig_only_if(*Manifest, Condition) void;
pub extern fn mig_run_after(*Manifest, [*:0]const u8) void;
pub extern fn mig_reads(*Manifest, [*:0]const u8) void;
pub extern fn mig_writes(*Manifest, [*:0]const u8) void;
pub extern fn mig_needs_secret(*Manifest, [*:0]const u8) void;
