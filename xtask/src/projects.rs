//! Plugin projects with a `plugin.toml`, in any language: built by the real `host build`, and only where they, or
//! what builds them, changed.

use std::cell::OnceCell;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::shell;
use crate::{host, plugins};

/// What makes a folder a project.
pub const PROJECT_FILE: &str = "plugin.toml";

/// Folders that builds and tools leave in a project, and what is nobody's source.
const MADE: [&str; 6] = [
    "build",
    "node_modules",
    "target",
    ".tools",
    "__pycache__",
    ".zig-cache",
];

/// Builds projects, with a host that is built only if there is one to build.
pub struct Builder<'c> {
    checkout: &'c Checkout,
    host: OnceCell<PathBuf>,
}

impl<'c> Builder<'c> {
    /// One for this checkout.
    pub fn new(checkout: &'c Checkout) -> Self {
        Self {
            checkout,
            host: OnceCell::new(),
        }
    }

    /// Builds a project and puts its component where it belongs. Returns whether that was not there already.
    ///
    /// # Errors
    /// If the project cannot be built; the message is the host's.
    pub fn build(&self, project: &Path, component: &Path) -> Result<bool> {
        let kept = self.kept(project)?;
        if !kept.is_file() {
            let name = self.checkout.relative(project);
            shell::say(format_args!("Building {name} …"));
            let start = Instant::now();
            if let Some(folder) = kept.parent() {
                // What older sources were built to.
                let _ = fs::remove_dir_all(folder);
            }
            shell::quietly(&mut self.command(project, &kept)?)?;
            let seconds = start.elapsed().as_secs_f64();
            shell::say(format_args!("  {name} is built ({seconds:.1} s)"));
        }
        if let Some(folder) = component.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        plugins::publish(&kept, component)
    }

    fn command(&self, project: &Path, output: &Path) -> Result<Command> {
        let host = match self.host.get() {
            Some(host) => host,
            None => {
                let built = host::binary(self.checkout)?;
                self.host.get_or_init(|| built)
            }
        };
        let mut command = Command::new(host);
        command
            .arg("build")
            .arg(project)
            .arg("--output")
            .arg(output)
            .env("HOST_TOOLS", self.checkout.tools())
            .env("CARGO_TARGET_DIR", self.checkout.guest_build())
            // The tests look there for what was compiled before.
            .env("XDG_CACHE_HOME", self.checkout.test_cache());
        Ok(command)
    }

    /// Where the component of a project is kept that is as it is now.
    fn kept(&self, project: &Path) -> Result<PathBuf> {
        let root = self.checkout.root();
        let mut digest = DefaultHasher::new();
        add(&mut digest, project)?;
        for part in ["plugin-sdk", "wit", "host/src/build", "toolbox/src"] {
            add(&mut digest, &root.join(part))?;
        }
        let name = self
            .checkout
            .relative(project)
            .to_string()
            .replace('/', "-");
        Ok(self
            .checkout
            .guest_build()
            .join("projects")
            .join(name)
            .join(format!("{:016x}.wasm", digest.finish())))
    }
}

/// Adds all files of a folder, with their names, in order.
fn add(digest: &mut DefaultHasher, folder: &Path) -> Result<()> {
    let cannot_read = || format!("cannot read {}", folder.display());
    let mut paths = fs::read_dir(folder)
        .with_context(cannot_read)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .with_context(cannot_read)?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default();
        if MADE.iter().any(|made| name == *made) {
            continue;
        }
        name.hash(digest);
        if path.is_dir() {
            add(digest, &path)?;
        } else {
            fs::read(&path)
                .with_context(|| format!("cannot read {}", path.display()))?
                .hash(digest);
        }
    }
    Ok(())
}
