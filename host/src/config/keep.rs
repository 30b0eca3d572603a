//! Keeping a user's consent in the settings file, which is the user's: comments, order and all else that is
//! written there stay as they are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

use super::File;
use crate::draft;
use crate::engine::grants::Kept;

/// Why consent could not be kept.
#[derive(Debug, Error)]
pub enum KeepError {
    /// The file must not be written.
    #[error("{} is read-only", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{} cannot be written: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What stands there cannot be added to.
    #[error("{} cannot be added to: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

/// What was kept, as lines of a settings file.
#[must_use]
pub fn written(name: &str, kept: &Kept) -> String {
    let mut document = DocumentMut::new();
    // An empty document has room for it.
    let _ = set(&mut document, name, kept);
    document.to_string()
}

/// Keeps what a migration is let do in the settings file, which is made if it is not there.
///
/// Nobody ever sees half of it, and others who keep something at the same time are waited for.
///
/// # Errors
/// If the file cannot be read or written. It is as it was.
pub fn keep(path: &Path, name: &str, kept: &Kept) -> Result<(), KeepError> {
    // What a link leads to is what is written, not the link.
    let file = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            KeepError::ReadOnly { path: path.into() }
        }
        _ => KeepError::Io {
            path: path.into(),
            source,
        },
    };
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let _locked = lock(parent).map_err(failed)?;
    let before = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let after = added(&before, name, kept).map_err(|why| KeepError::Unusable {
        path: path.into(),
        why,
    })?;
    draft::replace(&file, after).map_err(failed)
}

/// Holds everybody else off who keeps something in a file of this folder. The file itself is replaced, so a lock
/// on it would be one on what is gone.
#[cfg(unix)]
fn lock(folder: &Path) -> io::Result<fs::File> {
    let folder = fs::File::open(folder)?;
    match folder.lock() {
        // Some network file systems have no locks. What is written is whole all the same.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(folder),
    }
}

/// Folders cannot be locked here: of two that are kept within the same moment, one may be asked for again.
#[cfg(not(unix))]
fn lock(_: &Path) -> io::Result<()> {
    Ok(())
}

/// The file's text with what is kept in it.
fn added(text: &str, name: &str, kept: &Kept) -> Result<String, String> {
    // What was written must be read as it was meant.
    let is_kept = |text: &str| match toml::from_str::<File>(text) {
        Ok(file) if file.grants.get(name) == Some(kept) => Ok(()),
        Ok(_) => Err(format!("`grants.{name}` would be read as something else")),
        Err(error) => Err(error.to_string()),
    };
    let gap = match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    // At the end it comes between nothing and its comment. It can stand there if the file has none yet.
    let at_end = format!("{text}{gap}{}", written(name, kept));
    if is_kept(&at_end).is_ok() {
        return Ok(at_end);
    }
    let mut document: DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
    set(&mut document, name, kept).ok_or("`grants` is no table")?;
    let text = document.to_string();
    is_kept(&text)?;
    Ok(text)
}

/// Sets `[grants.NAME]`; None where something else than a table is in its place.
fn set(document: &mut DocumentMut, name: &str, kept: &Kept) -> Option<()> {
    let grants = document.entry("grants").or_insert_with(|| {
        let mut grants = Table::new();
        // Nothing stands in it but tables, which have headers of their own.
        grants.set_implicit(true);
        grants.into()
    });
    let inline = grants.is_value();
    let grants = grants.as_table_like_mut()?;
    let entry = grants.entry(name).or_insert_with(|| match inline {
        true => Item::Value(Value::InlineTable(Default::default())),
        false => Item::Table(Table::new()),
    });
    let entry = entry.as_table_like_mut()?;
    put(entry, "sha256", string(&kept.sha256));
    let allow: Array = kept
        .allow
        .iter()
        .map(|grant| string(&grant.to_string()))
        .collect();
    put(entry, "allow", allow.into());
    Some(())
}

/// A string on one line, in which only letters and what ASCII has stand for themselves: names of tables are
/// the plugin's words, and the file is the user's.
fn string(text: &str) -> Value {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' ' => quoted.push(' '),
            _ if character.is_ascii_graphic() || character.is_alphanumeric() => {
                quoted.push(character);
            }
            _ => quoted.push_str(&format!("\\U{:08X}", u32::from(character))),
        }
    }
    quoted.push('"');
    quoted.parse().unwrap_or_else(|_| text.into())
}

/// Sets a value; a comment behind the old one stays.
fn put(table: &mut dyn TableLike, key: &str, mut value: Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            table.insert(key, value.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Grant;
    use insta::assert_snapshot;

    fn kept(sha256: &str, allow: &[&str]) -> Kept {
        Kept {
            sha256: sha256.into(),
            allow: allow
                .iter()
                .map(|grant| grant.parse::<Grant>().unwrap())
                .collect(),
        }
    }

    #[test]
    fn nothing_else_changes() {
        let before = "# ours\nstore   =  \"sqlite:a\" # not b\n\n[grants.other]\nsha256 = \"1\"\nallow = [] # none\n\n[run]\nworkers = 1 # for now";
        let one = added(
            before,
            "one",
            &kept("ab", &["read:é \\ \u{1b}\"\n\u{202e}\u{7f}", "secret:K"]),
        )
        .unwrap();
        assert_snapshot!(one, @r#"
        # ours
        store   =  "sqlite:a" # not b

        [grants.other]
        sha256 = "1"
        allow = [] # none

        [run]
        workers = 1 # for now

        [grants.one]
        sha256 = "ab"
        allow = ["read:é \\ \U0000001B\"\U0000000A\U0000202E\U0000007F", "secret:K"]
        "#);
        let changed = added(&one, "other", &kept("2", &["read:a"])).unwrap();
        assert_eq!(
            changed,
            one.replace("\"1\"", "\"2\"")
                .replace("[] # none", "[\"read:a\"] # none")
        );
    }

    #[test]
    fn every_way_to_write_a_table_is_understood() {
        for before in [
            "",
            "grants = {}",
            "grants = { one = { sha256 = \"0\", allow = [] } }",
            "[grants]\none = { sha256 = \"0\", allow = [] }\n",
            "grants.one.sha256 = \"0\"\ngrants.one.allow = []\n",
            "[grants]\n[grants.one]\nallow = []\nsha256 = \"0\"",
            "store = \"a\"\r\n[run]\r\nworkers = 1\r\n",
        ] {
            let kept = kept("ab", &["write:b"]);
            let after = added(before, "one", &kept).unwrap();
            let file: File = toml::from_str(&after).unwrap();
            assert_eq!(file.grants["one"], kept, "{before}");
        }
        assert!(added("grants = 5", "one", &kept("ab", &[])).is_err());
    }

    #[test]
    fn many_can_keep_something_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.toml");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for time in 0..4 {
                        keep(path, &format!("m{number}-{time}"), &kept("ab", &["read:a"])).unwrap();
                    }
                });
            }
        });
        let file = File::read(Some(&path)).unwrap();
        assert_eq!(file.grants.len(), 32);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_stays_whose_it_is() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (
            folder.path().join("real.toml"),
            folder.path().join("host.toml"),
        );
        fs::write(&real, "# mine\n").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &link).unwrap();
        keep(&link, "one", &kept("ab", &[])).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&real).unwrap().starts_with("# mine\n"));
        assert_eq!(
            fs::metadata(&real).unwrap().permissions().mode() & 0o777,
            0o640
        );

        fs::set_permissions(&real, fs::Permissions::from_mode(0o440)).unwrap();
        let before = fs::read_to_string(&real).unwrap();
        let refused = keep(&link, "two", &kept("ab", &[])).unwrap_err();
        assert!(matches!(refused, KeepError::ReadOnly { .. }), "{refused}");
        assert_eq!(fs::read_to_string(&real).unwrap(), before);
    }
}
