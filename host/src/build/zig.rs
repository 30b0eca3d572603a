//! Zig: a project's `src/migration.zig`, and the SDK in Zig over the one in C.

use super::ziglang::{Build, ZIGLANG};
use super::{BuildError, Project, Recipe, Tool, Workshop};

pub(super) struct Zig;

impl Recipe for Zig {
    fn templates(&self) -> &'static [&'static str] {
        &["zig"]
    }

    fn sdk(&self) -> &'static [&'static str] {
        &["adapter", "c", "zig"]
    }

    fn tests(&self) -> &'static str {
        "host build && make test"
    }

    fn tools(&self) -> &'static [Tool] {
        &[ZIGLANG]
    }

    fn build(&self, project: &Project, workshop: &Workshop<'_>) -> Result<Vec<u8>, BuildError> {
        let sdk = project.sdk("zig");
        let mut build = Build::with_sdk(project, workshop)?;
        // Safe: what is out of bounds, or overflows, traps.
        build
            .args(["-OReleaseSafe", "--dep", "migration", "--dep", "plugin"])
            .module("root", &sdk.join("root.zig"))
            .module("migration", &sdk.join("migration.zig"))
            .args(["--dep", "migration"])
            .module("plugin", &project.folder.join("src/migration.zig"));
        build.component()
    }
}
