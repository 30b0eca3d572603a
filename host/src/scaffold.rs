//! New plugin projects, made from the templates and the SDK that this binary carries.
//!
//! The SDK goes into the project: what builds today builds tomorrow, without a checkout of the host.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use include_dir::{Dir, DirEntry, File, include_dir};

static SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../plugin-sdk");
static WIT: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../wit");

/// Folders of the SDK that only its own development needs.
const LEFT_OUT: [&str; 2] = ["templates", "tests"];

/// Files that would be a project's of ours under their real name end so.
const TEMPLATE_ENDING: &str = ".tmpl";

/// The languages that there are templates for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// Rust
    #[default]
    Rust,
}

impl Language {
    fn folder(self) -> &'static str {
        match self {
            Self::Rust => "templates/rust",
        }
    }
}

/// What to do in a new project, as commands.
#[must_use]
pub fn next_steps(name: &str, language: Language) -> Vec<String> {
    match language {
        Language::Rust => vec![
            format!("cd {name}"),
            "cargo test".into(),
            "cargo build --release --target wasm32-unknown-unknown".into(),
            format!(
                "host inspect target/wasm32-unknown-unknown/release/{}.wasm",
                crate_name(name)
            ),
        ],
    }
}

/// Makes a project in a folder that does not exist yet.
///
/// # Errors
/// If the name is none for a migration, the folder exists, or it cannot be written.
pub fn create(folder: &Path, name: &str, language: Language) -> Result<()> {
    if !is_name(name) {
        bail!(
            "`{name}` is no name for a project: write lower-case words joined by hyphens, beginning with a letter"
        );
    }
    if folder.exists() {
        bail!("{} exists already; nothing was changed", folder.display());
    }
    let template = SDK
        .get_dir(language.folder())
        .context("this binary was built without its templates")?;
    write(template, template.path(), folder, &|text| {
        text.replace("{{name}}", name)
            .replace("{{crate}}", &crate_name(name))
    })?;
    let same = |text: &str| text.to_owned();
    write(&SDK, Path::new(""), &folder.join("sdk/plugin-sdk"), &same)?;
    write(&WIT, Path::new(""), &folder.join("sdk/wit"), &same)
}

/// Names of migrations are names of packages, too.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.split('-').all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

fn crate_name(name: &str) -> String {
    name.replace('-', "_")
}

/// Writes a folder's files out, each as `fill` makes it.
fn write(from: &Dir<'_>, root: &Path, to: &Path, fill: &dyn Fn(&str) -> String) -> Result<()> {
    for entry in from.entries() {
        let inner = entry.path().strip_prefix(root)?;
        match entry {
            DirEntry::Dir(folder) => {
                let left_out = LEFT_OUT.iter().any(|name| inner == Path::new(name));
                if !left_out {
                    write(folder, root, to, fill)?;
                }
            }
            DirEntry::File(file) => write_file(file, inner, to, fill)?,
        }
    }
    Ok(())
}

fn write_file(
    file: &File<'_>,
    inner: &Path,
    to: &Path,
    fill: &dyn Fn(&str) -> String,
) -> Result<()> {
    let name = inner.to_string_lossy();
    let path = to.join(name.strip_suffix(TEMPLATE_ENDING).unwrap_or(&name));
    let text = file
        .contents_utf8()
        .with_context(|| format!("{} is no text", inner.display()))?;
    let written = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, fill(text))
    };
    written().with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_stands_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("fill-names");
        create(&folder, "fill-names", Language::Rust).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert!(read("Cargo.toml").contains("name = \"fill-names\""));
        assert!(read("README.md").contains("release/fill_names.wasm"));
        assert!(read("sdk/wit/migration.wit").contains("package migration:plugin"));
        assert!(folder.join("sdk/plugin-sdk/document/src/lib.rs").is_file());
        assert!(folder.join(".cargo/config.toml").is_file());
        assert!(!folder.join("sdk/plugin-sdk/templates").exists());
        for file in ["Cargo.toml", "README.md", "src/lib.rs"] {
            assert!(!read(file).contains("{{"), "{file}");
        }
        // The SDK must not lean on this checkout's workspace.
        for file in [
            "sdk/plugin-sdk/Cargo.toml",
            "sdk/plugin-sdk/document/Cargo.toml",
        ] {
            assert!(!read(file).contains("workspace = true"), "{file}");
        }
        assert!(create(&folder, "fill-names", Language::Rust).is_err());
    }

    #[test]
    fn names_are_checked() {
        for name in ["", "-a", "a-", "A", "a_b", "1a", "../a", "a b"] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_name("backfill-v2"));
    }
}
