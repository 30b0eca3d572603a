//! Zig's compiler, which is one for C and C++, too, and brings their libraries for WebAssembly along.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toolbox::shell;

use super::language::Tool;
use super::project::{Project, World};
use super::{BuildError, Workshop, component};

/// The compiler, as the Python registry has it.
pub(super) const ZIGLANG: Tool = Tool {
    name: "ziglang",
    version: "0.17.0",
    hashes: include_str!("pins/ziglang.txt"),
};

/// What every plugin is compiled for and with. A reactor has no `main`; of its stack a plugin may have a
/// megabyte, below which there is nothing that an overflow could overwrite.
pub(super) const TARGET: [&str; 9] = [
    "-target",
    "wasm32-wasi",
    "-mexec-model=reactor",
    "-fno-entry",
    "-fstrip",
    "-fsingle-threaded",
    "-lc",
    "--stack",
    "1048576",
];

/// How the files of the SDK in C are compiled.
const SDK_FLAGS: [&str; 1] = ["-std=c11"];

/// How a project's files are compiled: what C leaves undefined traps, and so loses one document. Address 0, for
/// one, can be read and written in a sandbox.
pub(super) const CHECKED: [&str; 4] = [
    "-Wall",
    "-Wextra",
    "-fsanitize=undefined",
    "-fsanitize-trap=undefined",
];

/// One call of the compiler, which makes a project's module.
pub(super) struct Build<'b> {
    project: &'b Project,
    workshop: &'b Workshop<'b>,
    version: &'b str,
    zig: Command,
    module: PathBuf,
}

impl<'b> Build<'b> {
    /// Begins one, with nothing in it.
    pub fn new(project: &'b Project, workshop: &'b Workshop<'b>) -> Result<Self, BuildError> {
        let version = ZIGLANG.pinned(&project.tools);
        let module = project.scratch().join("module.wasm");
        let cache = workshop.tools().join("zig-cache");
        let mut zig = compiler(workshop, version)?;
        zig.current_dir(&project.folder)
            .env("ZIG_GLOBAL_CACHE_DIR", &cache)
            .env("ZIG_LOCAL_CACHE_DIR", &cache)
            .arg("build-exe")
            .args(TARGET)
            .arg(format!("-femit-bin={}", module.display()));
        Ok(Self {
            project,
            workshop,
            version,
            zig,
            module,
        })
    }

    /// Begins one, with the SDK's core in C.
    pub fn with_sdk(project: &'b Project, workshop: &'b Workshop<'b>) -> Result<Self, BuildError> {
        let mut build = Self::new(project, workshop)?;
        let sdk = project.sdk("c");
        for folder in ["include", "vendor/yyjson", "bindings"] {
            build.include(&sdk.join(folder));
        }
        let reversible = match project.world {
            World::Migration => None,
            World::ReversibleMigration => Some("-DMIG_REVERSIBLE"),
        };
        build.args(["-OReleaseFast"]).sources(
            sources(&sdk.join("src"), &["c"])?,
            SDK_FLAGS.into_iter().chain(reversible),
        );
        Ok(build)
    }

    /// More arguments.
    pub fn args<'a>(&mut self, arguments: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.zig.args(arguments);
        self
    }

    /// An include folder of the SDK.
    pub fn include(&mut self, folder: &Path) -> &mut Self {
        self.zig.arg("-I").arg(folder);
        self
    }

    /// A Zig module in this file.
    pub fn module(&mut self, name: &str, file: &Path) -> &mut Self {
        self.zig.arg(format!("-M{name}={}", file.display()));
        self
    }

    /// Files in C or C++, with how they are compiled.
    pub fn sources<'a>(
        &mut self,
        files: Vec<PathBuf>,
        flags: impl IntoIterator<Item = &'a str>,
    ) -> &mut Self {
        if !files.is_empty() {
            self.zig.arg("-cflags").args(flags).arg("--").args(files);
        }
        self
    }

    /// Compiles and links: the core module.
    pub fn compile(mut self) -> Result<Vec<u8>, BuildError> {
        self.workshop
            .say(&format!("compiling with zig {}", self.version));
        shell::quietly(&mut self.zig)?;
        fs::read(&self.module).map_err(BuildError::io(&self.module))
    }

    /// The same, made a component.
    pub fn component(self) -> Result<Vec<u8>, BuildError> {
        let project = self.project;
        component::of_module(project, self.compile()?)
    }
}

/// The compiler of this version: on PATH, or else installed from the Python registry.
fn compiler(workshop: &Workshop<'_>, version: &str) -> Result<Command, BuildError> {
    if let Some(zig) = shell::find_program("zig") {
        let told = shell::stdout_of(Command::new(&zig).arg("version"));
        if told.is_ok_and(|told| told.trim() == version) {
            return Ok(Command::new(zig));
        }
    }
    let venv = workshop
        .pip(&ZIGLANG, version)
        .map_err(|error| match error {
            BuildError::Missing { tool, get } => BuildError::Missing {
                tool: format!("zig {version} is not on PATH, and {tool}, which installs it,"),
                get,
            },
            error => error,
        })?;
    let mut zig = Command::new(venv.program("python"));
    zig.args(["-m", "ziglang"]);
    Ok(zig)
}

/// The files with one of these endings in a folder and the folders in it, in the order of their names.
pub(super) fn sources(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = Vec::new();
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(BuildError::io(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_source = path
            .extension()
            .and_then(|ending| ending.to_str())
            .is_some_and(|ending| endings.contains(&ending));
        if path.is_dir() {
            found.extend(sources(&path, endings)?);
        } else if is_source {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found_in_order() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path();
        fs::create_dir(folder.join("inner")).unwrap();
        for file in ["b.c", "a.c", "inner/c.c", "a.h", "d.cpp", "z"] {
            fs::write(folder.join(file), "").unwrap();
        }
        let found = sources(folder, &["c"]).unwrap();
        assert_eq!(
            found,
            ["a.c", "b.c", "inner/c.c"].map(|file| folder.join(file))
        );
        let found = sources(folder, &["cc", "cpp"]).unwrap();
        assert_eq!(found, [folder.join("d.cpp")]);
        assert!(sources(&folder.join("none"), &["c"]).is_err());
    }
}
