//! The store that everyone gets a copy of.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::tools::{self, Tools};
use crate::checkout::Checkout;
use crate::shell;

/// What a store should hold.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// The documents as they were made.
    Original,
    /// The documents after the migration.
    Migrated,
}

/// The stores of one call of the benchmark. They are removed at its end.
pub struct Stores<'a> {
    folder: PathBuf,
    tools: &'a Tools,
}

/// A store before the migration.
pub struct Original {
    /// How many documents it holds.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl<'a> Stores<'a> {
    /// A folder for stores, with none in it.
    pub fn new(checkout: &Checkout, tools: &'a Tools) -> Result<Self> {
        let folder = tools::folder(checkout).join("stores");
        remove(&folder)?;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { folder, tools })
    }

    /// Makes the store that is copied from then on.
    pub fn make(&self, documents: u64) -> Result<Original> {
        let path = self.file("original.db");
        remove_store(&path)?;
        shell::say(format_args!("Making a store of {documents} documents …"));
        let answer = self.tools.ask(
            Command::new(&self.tools.native)
                .arg("make")
                .arg(&path)
                .arg(documents.to_string()),
        )?;
        let bytes = answer.get("bytes").and_then(serde_json::Value::as_u64);
        Ok(Original {
            documents,
            bytes: bytes.with_context(|| format!("the answer has no `bytes`: {answer}"))?,
        })
    }

    /// A fresh copy; it takes the place of the one before.
    pub fn copy(&self) -> Result<PathBuf> {
        let path = self.empty()?;
        fs::copy(self.file("original.db"), &path)
            .and_then(|_| File::open(&path)?.sync_all())
            // Written to the disk before anyone is timed: whoever came next would have to wait for that.
            .with_context(|| format!("cannot copy a store to {}", path.display()))?;
        Ok(path)
    }

    /// The place of the copies, with none there.
    pub fn empty(&self) -> Result<PathBuf> {
        let path = self.file("app.db");
        remove_store(&path)?;
        Ok(path)
    }

    /// A file beside the stores.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Checks every document of a store.
    pub fn check(&self, store: &Path, documents: u64, expected: Expected) -> Result<()> {
        Ok(shell::quietly(
            &mut self.checking(store, documents, expected),
        )?)
    }

    /// The same, where a writer has counted up documents: a file tells which.
    pub fn check_with_visits(&self, store: &Path, documents: u64, visits: &Path) -> Result<()> {
        let mut checking = self.checking(store, documents, Expected::Migrated);
        Ok(shell::quietly(checking.arg(visits))?)
    }

    fn checking(&self, store: &Path, documents: u64, expected: Expected) -> Command {
        let mut command = Command::new(&self.tools.native);
        command
            .arg("check")
            .arg(store)
            .arg(documents.to_string())
            .arg(match expected {
                Expected::Original => "original",
                Expected::Migrated => "migrated",
            });
        command
    }
}

impl Drop for Stores<'_> {
    fn drop(&mut self) {
        // They take gigabytes. What cannot be removed now is removed the next time.
        let _ = remove(&self.folder);
    }
}

fn remove(folder: &Path) -> Result<()> {
    absent_or(fs::remove_dir_all(folder))
        .with_context(|| format!("cannot remove {}", folder.display()))
}

/// Removes a store with its log, so that no other store finds the log of this one.
fn remove_store(path: &Path) -> Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let mut file = path.to_path_buf().into_os_string();
        file.push(ending);
        absent_or(fs::remove_file(&file))
            .with_context(|| format!("cannot remove {}", Path::new(&file).display()))?;
    }
    Ok(())
}

fn absent_or(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
