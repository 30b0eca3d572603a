//! Plugin projects, in any language: what `plugin.toml` says of one, and building it to a component.
//!
//! A language is a [`Recipe`]: a file here, a template and an SDK in `plugin-sdk/`, and a line in [`Language`].
//! Everything else is common to all of them. Its tools are its own: a recipe calls them, and installs what a
//! package registry has into the project's folder, never beyond it.
//!
//! Building runs what the project's author wrote: build scripts, packages, plug-ins of compilers. No sandbox is
//! around that. Only what comes out of it is sandboxed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::draft;

mod c;
pub mod component;
mod error;
mod go;
mod js;
mod language;
mod project;
mod python;
mod quickjs;
mod rust;
mod snapshot;
mod workshop;
mod zig;
mod ziglang;

pub use error::BuildError;
pub use language::{Language, Recipe, Tool};
pub use project::{Engine, PROJECT_FILE, Project, World};
pub use workshop::{Venv, Workshop};

/// Where a project's component is put, within its folder.
const OUTPUT: &str = "build";

/// Builds the project in a folder, and returns where its component is.
///
/// It goes to `output`, else to `build/NAME.wasm` in the project. What was there is replaced only by a component
/// that was built.
///
/// # Errors
/// If the folder is no project, a tool is missing, or the project cannot be built.
pub fn build(
    folder: &Path,
    output: Option<&Path>,
    workshop: &Workshop<'_>,
) -> Result<PathBuf, BuildError> {
    let project = Project::read(folder)?;
    let made = project.folder.join(OUTPUT);
    fs::create_dir_all(&made).map_err(BuildError::io(&made))?;
    // What a build leaves in the project is no place for two of them at once.
    let _alone = lock(&made.join(".lock"))?;
    let component = project.language.recipe().build(&project, workshop)?;
    let path = match output {
        Some(path) => path.to_owned(),
        None => made.join(&project.name).with_extension("wasm"),
    };
    publish(&component, &path).map_err(BuildError::io(&path))?;
    Ok(path)
}

/// Waits until no other process holds the lock of that file, and holds it for as long as what is returned lives.
fn lock(path: &Path) -> Result<File, BuildError> {
    let lock = || -> io::Result<File> {
        let file = File::create(path)?;
        file.lock()?;
        Ok(file)
    };
    lock().map_err(BuildError::io(path))
}

/// Puts a component in its place: a host may be reading what is there.
fn publish(component: &[u8], path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    draft::replace(path, component)
}
