//! The root of a plugin in Zig: exports what the C SDK calls, made of the project's own file, the module `plugin`.

const std = @import("std");
const migration = @import("migration");

const exports = migration.Exports(@import("plugin"));

/// A panic is a trap: there is nowhere to print to.
pub const panic = std.debug.no_panic;

comptime {
    @export(&exports.migration, .{ .name = "mig_migration_here" });
}
