//! New plugin projects, made from the templates and the SDK that this binary carries.
//!
//! The SDK goes into the project: what builds today builds tomorrow, without a checkout of the host.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use include_dir::{Dir, DirEntry, File, include_dir};

use crate::build::Language;

static SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../plugin-sdk");
static WIT: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../wit");

/// Where the templates are, in the SDK's folder.
const TEMPLATES: &str = "templates";

/// What every template has.
const COMMON: &str = "common";

/// Files that would be a project's of ours under their real name end so.
const TEMPLATE_ENDING: &str = ".tmpl";

/// What to do in a new project, as commands.
#[must_use]
pub fn next_steps(name: &str, language: Language) -> [String; 5] {
    [
        format!("cd {name}"),
        language.recipe().tests().into(),
        "host build".into(),
        format!("host test build/{name}.wasm"),
        format!("host run build/{name}.wasm --store sqlite:app.db --dry-run"),
    ]
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
    let recipe = language.recipe();
    for template in [&COMMON].into_iter().chain(recipe.templates()) {
        let template = entry(&format!("{TEMPLATES}/{template}"))?;
        write(template, template.path(), folder, &|text| {
            text.replace("{{name}}", name)
                .replace("{{crate}}", &crate_name(name))
        })?;
    }
    let same = |text: &str| text.to_owned();
    let sdk = folder.join("sdk");
    for part in recipe.sdk() {
        write(entry(part)?, Path::new(""), &sdk.join("plugin-sdk"), &same)?;
    }
    for file in WIT.files() {
        write_file(file, file.path(), &sdk.join("wit"), &same)?;
    }
    Ok(())
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

/// A file or folder of the SDK's.
fn entry(path: &str) -> Result<&'static DirEntry<'static>> {
    SDK.get_entry(path)
        .with_context(|| format!("this binary was built without {path}"))
}

/// Writes a file out, or all files of a folder, each as `fill` makes it. Their paths begin anew below `root`.
fn write(from: &DirEntry<'_>, root: &Path, to: &Path, fill: &dyn Fn(&str) -> String) -> Result<()> {
    match from {
        DirEntry::File(file) => write_file(file, file.path().strip_prefix(root)?, to, fill),
        DirEntry::Dir(folder) => folder
            .entries()
            .iter()
            .try_for_each(|entry| write(entry, root, to, fill)),
    }
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
        assert!(read("README.md").contains("build/fill-names.wasm"));
        assert!(read("plugin.toml").contains("language = \"rust\""));
        assert!(read("cases.jsonl").contains("displayName"));
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
