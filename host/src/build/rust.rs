//! Rust: cargo builds for `wasm32-unknown-unknown`, and the linker makes the component.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toolbox::rust::{Compiler, DEBIAN_PACKAGES, Error, TARGET, Toolchain};
use toolbox::shell;

use super::{BuildError, Project, Recipe, Workshop};

pub(super) struct Rust;

impl Recipe for Rust {
    fn templates(&self) -> &'static [&'static str] {
        &["rust"]
    }

    fn sdk(&self) -> &'static [&'static str] {
        &["Cargo.toml", "src", "document"]
    }

    fn tests(&self) -> &'static str {
        "cargo test"
    }

    fn build(&self, project: &Project, workshop: &Workshop<'_>) -> Result<Vec<u8>, BuildError> {
        let folder = &project.folder;
        workshop.program("rustc", "install Rust with rustup: https://rustup.rs")?;
        let toolchain = toolchain(folder)?;
        let target = match env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()) {
            Some(target) => {
                std::path::absolute(&target).map_err(BuildError::io(target.as_ref()))?
            }
            None => folder.join("target"),
        };
        let mut cargo = toolchain.cargo_build(folder, &target).map_err(unusable)?;
        cargo.args([
            "--release",
            "--lib",
            "--message-format",
            "json-render-diagnostics",
        ]);
        workshop.say(&format!("$ cargo build --release --target {TARGET}"));
        let messages = shell::stdout_of(&mut cargo)?;
        let path = component(&messages).ok_or_else(|| {
            BuildError::Component(
                "cargo made none; is the package's library a `cdylib`, as in the projects of `host new`?".into(),
            )
        })?;
        fs::read(&path).map_err(BuildError::io(&path))
    }
}

/// The toolchain that is ready for what is built in this folder.
fn toolchain(folder: &Path) -> Result<Toolchain, BuildError> {
    for compiler in Compiler::ALL {
        if compiler.is_ready(folder)? {
            return Toolchain::new(compiler, folder).map_err(unusable);
        }
    }
    Err(BuildError::Missing {
        tool: format!("Rust's standard library for {TARGET}"),
        get: format!(
            "rustup target add {TARGET}; or, on Debian 12, as root: apt-get install --no-install-recommends {}",
            DEBIAN_PACKAGES.join(" ")
        ),
    })
}

fn unusable(error: Error) -> BuildError {
    match error {
        Error::Shell(error) => error.into(),
        Error::NoLinker => BuildError::Missing {
            tool: "the linker for components, `wasm-component-ld`,".into(),
            get: "it comes with rustup's toolchains: https://rustup.rs".into(),
        },
        Error::Path(error) => BuildError::Component(error.to_string()),
    }
}

/// What cargo tells, a line each, of what it made.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The component among all that cargo made: the package itself comes last.
fn component(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .flat_map(|message| message.filenames)
        .rfind(|file| file.extension().is_some_and(|ending| ending == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_the_last_that_cargo_made() {
        let messages = r#"{"reason":"compiler-artifact","filenames":["/t/liba.rlib","/t/a.rmeta"]}
{"reason":"compiler-artifact","filenames":["/t/first.wasm"]}
{"reason":"build-script-executed","out_dir":"/t"}
{"reason":"compiler-artifact","filenames":["/t/libmine.rlib","/t/mine.wasm"]}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(component(messages), Some("/t/mine.wasm".into()));
        assert_eq!(component(r#"{"filenames":["/t/a.rlib"]}"#), None);
    }
}
