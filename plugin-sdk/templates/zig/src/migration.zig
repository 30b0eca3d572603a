//! Fills `displayName` from the part of `email` before the `@`. Make it your own migration.

const std = @import("std");
const migration = @import("migration");

pub const manifest: migration.Manifest = .{
    .name = "{{name}}",
    .table = "users",
    .version = 1,
    .description = "Fills displayName from the part of email before the @",
    // Chosen so that a migrated document does not meet it: a second run has nothing to do.
    .filter = &.{.missing("/displayName")},
};

/// The fields that the migration reads. All others are left out here, and stay what they are in the store.
const User = struct { email: []const u8 };

pub fn transform(document: migration.Document, context: migration.Context) !migration.Outcome {
    const user = try document.parse(User);
    const name = std.mem.sliceTo(user.email, '@');
    // This document is put into quarantine with this reason, and the run goes on.
    if (name.len == 0 or name.len == user.email.len)
        return .fail("no-name", "email has nothing before an @", "/email");
    return .edit(.of(.{ .displayName = name, .updatedAt = context.now() }));
}
