//! Where things are: the checkout, what is built into it, and the cargo that builds it.

use std::env;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The checkout that a command works on.
///
/// Results that people and tests look for (plugins, guests, the demo's store) are always below `target/` in
/// the checkout, whatever `CARGO_TARGET_DIR` says: a path in the documentation holds for everyone, and two
/// checkouts that share a target folder do not overwrite each other's plugins.
pub struct Checkout {
    root: PathBuf,
    /// Cargo's own target folder, if the user moved it.
    moved_target: Option<PathBuf>,
}

impl Checkout {
    /// Finds the checkout that the running xtask belongs to.
    ///
    /// # Errors
    /// If the program was not started by cargo.
    pub fn find() -> Result<Self> {
        // Asked for when it runs, not when it is compiled: checkouts that share a target folder
        // share this binary too.
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .context("CARGO_MANIFEST_DIR is not set; start this program as `cargo xtask`")?;
        let Some(root) = Path::new(&package).parent() else {
            bail!("{} is not a folder of the checkout", package.display());
        };
        let moved_target = match env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty())
        {
            // Cargo takes a relative path from where the user is, and what is started here runs elsewhere.
            Some(folder) => {
                Some(path::absolute(folder).context("cannot resolve CARGO_TARGET_DIR")?)
            }
            None => None,
        };
        Ok(Self {
            root: root.to_path_buf(),
            moved_target,
        })
    }

    /// The folder that holds the workspace's `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the finished example plugins are put.
    pub fn plugins(&self) -> PathBuf {
        self.root.join("target/plugins")
    }

    /// Where the finished test guests are put.
    pub fn guests(&self) -> PathBuf {
        self.root.join("target/guests")
    }

    /// Where the finished conformance plugins are put, one for each language.
    pub fn conformance(&self) -> PathBuf {
        self.root.join("target/conformance")
    }

    /// Where the tools of other languages are installed.
    pub fn tools(&self) -> PathBuf {
        self.target().join("tools")
    }

    /// Where the end-to-end tests keep what they compiled.
    pub fn test_cache(&self) -> PathBuf {
        self.target().join("tmp/cache")
    }

    /// Cargo's own target folder.
    fn target(&self) -> PathBuf {
        match &self.moved_target {
            Some(target) => target.clone(),
            None => self.root.join("target"),
        }
    }

    /// The target folder of the builds for WebAssembly.
    ///
    /// It is one of its own because another compiler may be at work there than for the host: in a common
    /// folder each of the two would wait for the other's lock, and a `cargo clean` of one would hit both.
    pub fn guest_build(&self) -> PathBuf {
        self.target().join("guest-build")
    }

    /// The target folder of what makes components at random, which is a workspace of its own.
    pub fn smith_build(&self) -> PathBuf {
        self.target().join("smith-build")
    }

    /// How to show a path of the checkout to a person: as seen from its root.
    pub fn relative<'a>(&self, path: &'a Path) -> path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    /// The cargo that started xtask, to be run in the checkout's root.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        // What cargo told this program of the package `xtask` is not meant for what this program starts.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(describes_package) {
                cargo.env_remove(name);
            }
        }
        if let Some(target) = &self.moved_target {
            cargo.env("CARGO_TARGET_DIR", target);
        }
        cargo
    }
}

/// Whether `cargo run` sets the environment variable of that name to describe the package that it runs.
fn describes_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(moved_target: Option<&str>) -> Checkout {
        Checkout {
            root: "/c".into(),
            moved_target: moved_target.map(PathBuf::from),
        }
    }

    #[test]
    fn results_stay_in_the_checkout_wherever_cargo_builds() {
        let (here, moved) = (checkout(None), checkout(Some("/cache")));
        assert_eq!(here.plugins(), Path::new("/c/target/plugins"));
        assert_eq!(moved.plugins(), here.plugins());
        assert_eq!(moved.guests(), here.guests());
        assert_eq!(here.guest_build(), Path::new("/c/target/guest-build"));
        assert_eq!(moved.guest_build(), Path::new("/cache/guest-build"));
    }

    #[test]
    fn paths_are_shown_from_the_root() {
        assert_eq!(
            checkout(None)
                .relative(Path::new("/c/target/plugins"))
                .to_string(),
            "target/plugins"
        );
        assert_eq!(
            checkout(None).relative(Path::new("/elsewhere")).to_string(),
            "/elsewhere"
        );
    }

    #[test]
    fn only_variables_about_the_package_are_withheld() {
        assert!(describes_package("CARGO_PKG_VERSION"));
        assert!(describes_package("CARGO_MANIFEST_DIR"));
        assert!(!describes_package("CARGO_HOME"));
        assert!(!describes_package("CARGO_TARGET_DIR"));
    }
}
