//! C and C++: everything in a project's `src/`, compiled by Zig's compiler.

use super::ziglang::{Build, CHECKED, ZIGLANG, sources};
use super::{BuildError, Project, Recipe, Tool, Workshop};

pub(super) struct C;

impl Recipe for C {
    fn templates(&self) -> &'static [&'static str] {
        &["c"]
    }

    fn sdk(&self) -> &'static [&'static str] {
        &["adapter", "c"]
    }

    fn tests(&self) -> &'static str {
        "make test"
    }

    fn tools(&self) -> &'static [Tool] {
        &[ZIGLANG]
    }

    fn build(&self, project: &Project, workshop: &Workshop<'_>) -> Result<Vec<u8>, BuildError> {
        let mut build = Build::with_sdk(project, workshop)?;
        build.sources(c_files(project)?, c_flags());
        build.component()
    }
}

pub(super) struct Cpp;

impl Recipe for Cpp {
    fn templates(&self) -> &'static [&'static str] {
        &["cpp"]
    }

    fn sdk(&self) -> &'static [&'static str] {
        &["adapter", "c", "cpp"]
    }

    fn tests(&self) -> &'static str {
        "make test"
    }

    fn tools(&self) -> &'static [Tool] {
        &[ZIGLANG]
    }

    fn build(&self, project: &Project, workshop: &Workshop<'_>) -> Result<Vec<u8>, BuildError> {
        /// There are no exceptions in the sandbox.
        const FLAGS: [&str; 3] = ["-std=c++23", "-fno-exceptions", "-fno-rtti"];
        let files = sources(&project.folder.join("src"), &["cc", "cpp", "cxx"])?;
        let mut build = Build::with_sdk(project, workshop)?;
        build
            .args(["-lc++"])
            .include(&project.sdk("cpp").join("include"))
            .sources(c_files(project)?, c_flags())
            .sources(files, FLAGS.into_iter().chain(CHECKED));
        build.component()
    }
}

fn c_files(project: &Project) -> Result<Vec<std::path::PathBuf>, BuildError> {
    sources(&project.folder.join("src"), &["c"])
}

fn c_flags() -> impl Iterator<Item = &'static str> {
    ["-std=c17"].into_iter().chain(CHECKED)
}
