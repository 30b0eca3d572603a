//! The folder of migrations.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::error::OrderError;
use super::steps;
use crate::plugin::{Described, PluginError, hexadecimal};
use crate::store::structure::Change;

/// A migration in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Identity in the store's history: lower-case words joined by hyphens.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// The schema version that the store has once it is done.
    pub version: u32,
    /// Names of the migrations that must have been applied before.
    pub run_after: Vec<String>,
    /// Its file.
    pub path: PathBuf,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// What it does.
    pub work: Work,
}

/// What a migration does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A plugin transforms documents.
    Plugin(Box<Described>),
    /// Tables and indexes are made and taken away, in one transaction.
    Steps(Vec<Change>),
}

impl Migration {
    /// The name of its file, for people.
    #[must_use]
    pub fn file(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        // It stands in messages of several lines.
        name.to_string_lossy().escape_debug().to_string()
    }

    /// The table that its plugin transforms.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        match &self.work {
            Work::Plugin(plugin) => Some(&plugin.manifest.table),
            Work::Steps(_) => None,
        }
    }
}

impl From<Described> for Migration {
    fn from(described: Described) -> Self {
        let manifest = &described.manifest;
        Self {
            name: manifest.name.clone(),
            description: manifest.description.clone(),
            version: manifest.version,
            run_after: manifest.run_after.clone(),
            path: described.path.clone(),
            sha256: described.sha256.clone(),
            work: Work::Plugin(Box::new(described)),
        }
    }
}

/// Reads the migrations of a folder: its files that end in `.wasm` and `.toml`, but for hidden ones. Other files
/// and folders in it are none of the host's business. `describe` tells what a plugin says of itself.
///
/// # Errors
/// If the folder or one of these files cannot be read, or is no migration.
pub fn read(
    folder: &Path,
    describe: impl Fn(&Path) -> Result<Described, PluginError>,
) -> Result<Vec<Migration>, OrderError> {
    let unreadable = |source| OrderError::Folder {
        path: folder.into(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    // Whatever the file system's order is, the first mistake that is told is the same.
    paths.sort();
    let mut migrations = Vec::new();
    for path in paths {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("wasm") => migrations.push(describe(&path)?.into()),
            Some("toml") => {
                let text = std::fs::read_to_string(&path).map_err(|source| OrderError::File {
                    path: path.clone(),
                    source,
                })?;
                let sha256 = hexadecimal(&Sha256::digest(&text));
                migrations.push(steps::parse(&path, &text, sha256)?);
            }
            _ => {}
        }
    }
    Ok(migrations)
}
