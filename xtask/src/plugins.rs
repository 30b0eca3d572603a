//! `cargo xtask plugins`: the example plugins and the tests' guests, from source to finished components.
//!
//! Those in Rust are packages of the workspace, and one call of cargo builds them all. The others are projects as
//! `host new` makes them, and `host build` builds each.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use toolbox::rust::{TARGET, Toolchain};

use crate::checkout::Checkout;
use crate::projects::{Builder, PROJECT_FILE};
use crate::shell;
use crate::toolchain;

/// The profile in the workspace's `Cargo.toml` that everything for the sandbox is built with.
pub const PROFILE: &str = "guest";

/// How every component begins: the magic number of WebAssembly, and the version and layer of a component
/// (a core module has `01 00 00 00` in their place).
const COMPONENT_HEADER: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// A folder of projects that are built to components, and where those go.
struct Shelf {
    /// What its projects are called, in the singular.
    noun: &'static str,
    /// The folder of the projects.
    source: PathBuf,
    /// The folder of the finished components.
    output: PathBuf,
}

impl Shelf {
    fn all(checkout: &Checkout) -> [Self; 3] {
        [
            Self {
                noun: "plugin",
                source: checkout.root().join("plugins"),
                output: checkout.plugins(),
            },
            Self {
                noun: "test guest",
                source: checkout.root().join("tests/guests"),
                output: checkout.guests(),
            },
            Self {
                noun: "conformance plugin",
                source: checkout.root().join("tests/conformance"),
                output: checkout.conformance(),
            },
        ]
    }

    /// The names of its packages of the workspace, each in a folder of its name.
    fn packages(&self) -> Result<BTreeSet<String>> {
        let others = self.projects()?;
        Ok(&self.folders_with("Cargo.toml")? - &others)
    }

    /// The names of its projects that `host build` builds.
    fn projects(&self) -> Result<BTreeSet<String>> {
        self.folders_with(PROJECT_FILE)
    }

    /// The names of its folders that have such a file. A folder that does not exist has none.
    fn folders_with(&self, file: &str) -> Result<BTreeSet<String>> {
        let cannot_read = || format!("cannot read {}", self.source.display());
        let entries = match fs::read_dir(&self.source) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries.with_context(cannot_read)?,
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            let entry = entry.with_context(cannot_read)?;
            if entry.path().join(file).is_file() {
                // A plugin's name is ASCII, so a folder with another name is not one of ours.
                names.extend(entry.file_name().into_string().ok());
            }
        }
        Ok(names)
    }

    /// "1 plugin", "13 plugins".
    fn count(&self, number: usize) -> String {
        format!(
            "{number} {}{}",
            self.noun,
            if number == 1 { "" } else { "s" }
        )
    }

    /// Builds the projects of these names and puts the components where they belong.
    fn build_projects(&self, builder: &Builder<'_>, names: &BTreeSet<String>) -> Result<()> {
        for name in names {
            let component = self.output.join(format!("{name}.wasm"));
            builder.build(&self.source.join(name), &component)?;
        }
        Ok(())
    }

    /// Builds the packages of these names and puts the components where they belong.
    fn build_packages(
        &self,
        checkout: &Checkout,
        toolchain: &Toolchain,
        names: &BTreeSet<String>,
    ) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        shell::say(format_args!("Building {} …", self.count(names.len())));
        let start = Instant::now();
        // One call for all of them uses every core, and does not compile what they share more than once. The
        // price: a dependency gets the features that any of them asks for.
        let mut cargo = toolchain.cargo_build(checkout.root(), &checkout.guest_build())?;
        cargo.args(["--profile", PROFILE]);
        for name in names {
            cargo.args(["--package", name]);
        }
        shell::quietly(&mut cargo)?;

        let built = checkout.guest_build().join(TARGET).join(PROFILE);
        fs::create_dir_all(&self.output)
            .with_context(|| format!("cannot create {}", self.output.display()))?;
        let mut changed = 0;
        for name in names {
            // Cargo names a library's file as Rust names the crate.
            let from = built.join(format!("{}.wasm", name.replace('-', "_")));
            changed += usize::from(publish(&from, &self.output.join(format!("{name}.wasm")))?);
        }
        shell::say(format_args!(
            "  {} in {}, {changed} changed ({:.1} s)",
            self.count(names.len()),
            checkout.relative(&self.output),
            start.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    /// Removes the components of projects that are gone, lest someone goes on running them.
    fn remove_others(&self, names: &BTreeSet<String>) -> Result<()> {
        let cannot_clean = || format!("cannot clean {}", self.output.display());
        let entries = match fs::read_dir(&self.output) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.with_context(cannot_clean)?,
        };
        for entry in entries {
            let path = entry.with_context(cannot_clean)?.path();
            let is_component = path
                .extension()
                .is_some_and(|extension| extension == "wasm");
            let is_known = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .is_some_and(|stem| names.contains(stem));
            if is_component && !is_known {
                fs::remove_file(&path).with_context(cannot_clean)?;
            }
        }
        Ok(())
    }
}

/// Runs `cargo xtask plugins [NAME…]`.
pub fn run(checkout: &Checkout, names: &[String]) -> Result<ExitCode> {
    if names.is_empty() {
        build_all(checkout)?;
    } else {
        build(checkout, names)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds all plugins and test guests.
pub fn build_all(checkout: &Checkout) -> Result<()> {
    let toolchain = toolchain::find_or_install(checkout)?;
    let builder = Builder::new(checkout);
    for shelf in Shelf::all(checkout) {
        let (packages, projects) = (shelf.packages()?, shelf.projects()?);
        shelf.build_packages(checkout, &toolchain, &packages)?;
        shelf.build_projects(&builder, &projects)?;
        shelf.remove_others(&(&packages | &projects))?;
    }
    smith(checkout)
}

/// Makes modules and components at random, for the tests of loading.
fn smith(checkout: &Checkout) -> Result<()> {
    /// How many.
    const COUNT: &str = "2000";
    let made = checkout.guests().join("smith.components");
    let mut cargo = checkout.cargo();
    cargo
        .args([
            "run",
            "--quiet",
            "--manifest-path",
            "tests/smith/Cargo.toml",
        ])
        .arg("--target-dir")
        .arg(checkout.smith_build())
        .arg("--")
        .arg(&made)
        .arg(COUNT);
    shell::quietly(&mut cargo)?;
    shell::say(format_args!(
        "  {COUNT} modules and components at random in {}",
        checkout.relative(&made)
    ));
    Ok(())
}

/// Builds the plugins and test guests of these names.
pub fn build(checkout: &Checkout, names: &[String]) -> Result<()> {
    let wanted: BTreeSet<String> = names.iter().cloned().collect();
    let mut orders = Vec::new();
    let mut known = BTreeSet::new();
    for shelf in Shelf::all(checkout) {
        let (packages, projects) = (shelf.packages()?, shelf.projects()?);
        orders.push((&packages & &wanted, &projects & &wanted, shelf));
        known.extend(packages);
        known.extend(projects);
    }
    check_known(&wanted, &known)?;

    let builder = Builder::new(checkout);
    for (packages, projects, shelf) in orders {
        if !packages.is_empty() {
            let toolchain = toolchain::find_or_install(checkout)?;
            shelf.build_packages(checkout, &toolchain, &packages)?;
        }
        shelf.build_projects(&builder, &projects)?;
    }
    Ok(())
}

/// Refuses names that are nobody's.
fn check_known(wanted: &BTreeSet<String>, known: &BTreeSet<String>) -> Result<()> {
    let unknown: Vec<_> = wanted.difference(known).map(String::as_str).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    bail!(
        "no plugin or test guest is called {}; there are: {}",
        unknown.join(", "),
        known.join(", ")
    )
}

/// Copies a finished component to its place, and tells whether it differs from what was there.
///
/// What is the same stays untouched, so that its time tells when it changed. What is new replaces the old in
/// one step, since tests may be reading it just now.
pub fn publish(from: &Path, to: &Path) -> Result<bool> {
    let component = fs::read(from).with_context(|| {
        format!(
            "{} was not built; is the package's library a `cdylib`, and is it named like its folder?",
            from.display()
        )
    })?;
    ensure!(
        component.starts_with(&COMPONENT_HEADER),
        "{} is not a component: it begins with {:02x?}",
        from.display(),
        component
            .get(..COMPONENT_HEADER.len())
            .unwrap_or(&component)
    );
    if fs::read(to).is_ok_and(|present| present == component) {
        return Ok(false);
    }
    let fresh = to.with_extension("wasm.new");
    fs::write(&fresh, &component).with_context(|| format!("cannot write {}", fresh.display()))?;
    fs::rename(&fresh, to).with_context(|| format!("cannot replace {}", to.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::process;

    /// A folder that is removed when the test ends.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Result<Self> {
            let folder = env::temp_dir().join(format!("xtask-{}-{test}", process::id()));
            fs::create_dir_all(&folder)?;
            Ok(Self(folder))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            // A folder that stays behind harms no one.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn only_what_changed_is_published() -> Result<()> {
        let scratch = Scratch::new("publish")?;
        let (from, to) = (scratch.0.join("a_b.wasm"), scratch.0.join("a-b.wasm"));
        fs::write(&from, [&COMPONENT_HEADER[..], b"1"].concat())?;
        assert!(publish(&from, &to)?);
        assert!(!publish(&from, &to)?);
        fs::write(&from, [&COMPONENT_HEADER[..], b"2"].concat())?;
        assert!(publish(&from, &to)?);
        assert_eq!(fs::read(&to)?, fs::read(&from)?);
        Ok(())
    }

    #[test]
    fn a_core_module_is_refused() -> Result<()> {
        let scratch = Scratch::new("module")?;
        let (from, to) = (scratch.0.join("m.wasm"), scratch.0.join("out.wasm"));
        fs::write(&from, b"\0asm\x01\0\0\0")?;
        let message = publish(&from, &to)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            message
                .ends_with("is not a component: it begins with [00, 61, 73, 6d, 01, 00, 00, 00]"),
            "{message}"
        );
        fs::write(&from, b"")?;
        assert!(publish(&from, &to).is_err());
        assert!(!to.exists());
        Ok(())
    }

    #[test]
    fn projects_are_the_folders_with_a_manifest() -> Result<()> {
        let scratch = Scratch::new("projects")?;
        for folder in ["b", "a", "typescript"] {
            fs::create_dir(scratch.0.join(folder))?;
        }
        fs::write(scratch.0.join("a/Cargo.toml"), "")?;
        fs::write(scratch.0.join("b/Cargo.toml"), "")?;
        fs::write(scratch.0.join("typescript/plugin.toml"), "")?;
        fs::write(scratch.0.join("README.md"), "")?;
        let shelf = Shelf {
            noun: "plugin",
            source: scratch.0.clone(),
            output: scratch.0.clone(),
        };
        assert_eq!(shelf.packages()?, names(&["a", "b"]));
        assert_eq!(shelf.projects()?, names(&["typescript"]));
        let missing = Shelf {
            source: scratch.0.join("none"),
            ..shelf
        };
        assert_eq!(missing.packages()?, names(&[]));
        Ok(())
    }

    #[test]
    fn components_of_projects_that_are_gone_are_removed() -> Result<()> {
        let scratch = Scratch::new("others")?;
        for file in ["kept.wasm", "gone.wasm", "notes.txt"] {
            fs::write(scratch.0.join(file), "")?;
        }
        let shelf = Shelf {
            noun: "plugin",
            source: scratch.0.clone(),
            output: scratch.0.clone(),
        };
        shelf.remove_others(&names(&["kept"]))?;
        assert!(scratch.0.join("kept.wasm").exists() && scratch.0.join("notes.txt").exists());
        assert!(!scratch.0.join("gone.wasm").exists());
        Ok(())
    }

    #[test]
    fn unknown_names_are_told_with_those_there_are() {
        let known = names(&["a", "b"]);
        assert!(check_known(&names(&["a"]), &known).is_ok());
        let message = check_known(&names(&["a", "x", "y"]), &known)
            .err()
            .map(|error| error.to_string());
        assert_eq!(
            message.as_deref(),
            Some("no plugin or test guest is called x, y; there are: a, b")
        );
    }
}
