// Fills `displayName` from the part of `email` before the `@`. Make it your own migration.
#include <migration.hpp>

using namespace migration;

static Manifest manifest() {
    return Manifest("{{name}}", "users")
        .version(1)
        .description("Fills displayName from the part of email before the @")
        // Chosen so that a migrated document does not meet it: a second run has nothing to do.
        .only_if(at("/displayName").missing());
}

static Outcome transform(Document user, Context context) {
    MIGRATION_TRY(email, user.require<std::string_view>("/email"));
    auto end = email.find('@');
    // This document is put into quarantine with this reason, and the run goes on.
    if (end == email.npos || end == 0)
        return Failure("no-name", "email has nothing before an @", "/email");
    return Edits().set("/displayName", email.substr(0, end)).set("/updatedAt", context.now());
}

MIGRATION_EXPORT(manifest, transform);
