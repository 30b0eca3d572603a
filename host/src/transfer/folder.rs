//! A whole store as a folder with a file for each table.

use std::fs;
use std::path::{Path, PathBuf};

use super::format::table_of;
use super::out::{Documents, write};
use super::{Existing, Format, Input, Intake, Moved, Output, Target, TransferError, at_once, take};
use crate::store::Store;

/// Brings the files of a folder in, each into the table that it is called after, all of them or none.
///
/// `key` and `typed` are those of every table. Files whose names end with no known format are left alone.
///
/// # Errors
/// If the folder has no such file, or one of them cannot be taken.
pub fn import_folder(
    store: &dyn Store,
    folder: &Path,
    key: Option<&str>,
    existing: Existing,
    typed: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Moved>, TransferError> {
    let files = files(folder)?;
    let mut before = 0;
    at_once(store, |writer| {
        let mut moved = Vec::new();
        for (table, format, path) in &files {
            let target = Target {
                table,
                key,
                existing,
                typed,
            };
            let mut progress = |count| progress(before + count);
            let mut intake = Intake::open(writer, &target, &mut progress)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let mut input = Input::open(path)?;
            take(&mut intake, *format, &mut input).map_err(|error| error.within(&name))?;
            let documents = intake.count();
            before += documents;
            moved.push(Moved {
                table: table.clone(),
                documents,
            });
        }
        Ok(moved)
    })
}

/// The files of a folder that tables can come from, by name.
fn files(folder: &Path) -> Result<Vec<(String, Format, PathBuf)>, TransferError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let format = Format::of_path(&path).filter(|format| *format != Format::Convex);
        if let (true, Some(format), Some(table)) = (path.is_file(), format, table_of(&path)) {
            files.push((table, format, path));
        }
    }
    files.sort_by(|one, other| one.2.cmp(&other.2));
    if files.is_empty() {
        return Err(TransferError::Folder(format!(
            "{} has no file that ends in .jsonl, .json or .csv, compressed or not",
            folder.display()
        )));
    }
    if let Some(pair) = files.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(TransferError::Folder(format!(
            "{} has two files for table `{}`",
            folder.display(),
            pair[0].0
        )));
    }
    Ok(files)
}

/// Writes every table out to a file of its own, all as of one moment. The folder is made; it must not have any file yet.
///
/// # Errors
/// If the folder is in use, or a table cannot be written. Files of tables that were written before it stay.
pub fn export_folder(
    store: &dyn Store,
    folder: &Path,
    format: Format,
) -> Result<Vec<Moved>, TransferError> {
    fs::create_dir_all(folder)?;
    if fs::read_dir(folder)?.next().is_some() {
        return Err(TransferError::Folder(format!(
            "{} is not empty; nothing was written",
            folder.display()
        )));
    }
    let tables = store.tables()?.into_iter();
    let mut reader = store.reader()?;
    reader.begin()?;
    let mut moved = Vec::new();
    for summary in tables.filter(|table| table.unusable.is_none()) {
        let table = store.table(&summary.table)?;
        if table.name.contains(['/', '\\']) || table.name.starts_with('.') {
            return Err(TransferError::Table {
                table: table.name.clone(),
                why: "it cannot be the name of a file".into(),
            });
        }
        let mut file = folder.join(&table.name).into_os_string();
        file.push(".");
        file.push(format.ending());
        let mut output = Output::create(Path::new(&file))?;
        let documents = write(
            &mut Documents::new(reader.as_mut(), &table),
            format,
            &mut output,
        )?;
        output.finish()?;
        moved.push(Moved {
            table: table.name.clone(),
            documents,
        });
    }
    reader.end()?;
    Ok(moved)
}
