//! `host import`: documents into a store.

use std::fs::File as Archive;
use std::io::{self, BufReader};
use std::path::PathBuf;

use bytesize::ByteSize;

use super::bar::Bar;
use super::logs;
use super::show::{counted, safe};
use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::store::{Address, Store, sqlite};
use crate::transfer::snapshot::{self, Unpacked};
use crate::transfer::{self, Existing, Format, Input, Moved, Target, TransferError};

/// Brings documents into a store, all of them or none.
///
/// A file holds one JSON object a line, one JSON array of objects, comma-separated values, or a snapshot of Convex; a folder
/// such files, each called after its table. Files may be compressed with gzip or zstd. A table that does not exist is made
/// as a document table, and so is a database.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host import --store sqlite:app.db users.jsonl --key _id            into the table `users`
  host import --store sqlite:app.db --table films movies.json.gz
  host import --store sqlite:app.db snapshot.zip                     a snapshot of Convex
  host import --store sqlite:app.db dump/ --key _id                  each file into a table
  generate-users | host import --store sqlite:app.db --table users -",
    help_template = HELP
)]
pub(super) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,

    /// The table [default: the file's name]
    #[arg(long, value_name = "TABLE", env = "HOST_TABLE")]
    table: Option<String>,

    /// The field that holds a document's key; without it keys are counted up
    #[arg(long, value_name = "FIELD")]
    key: Option<String>,

    /// The format [default: told by the file's name; jsonl for standard input]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Add to the documents that a table has
    #[arg(long, conflicts_with = "replace")]
    append: bool,

    /// Take the documents away that a table has
    #[arg(long)]
    replace: bool,

    /// Values of CSV that are spelled like JSON are numbers, booleans, arrays, objects
    #[arg(long)]
    typed: bool,

    /// What a snapshot may come to when unpacked, such as 50GiB [default: 200 times its size, at least 1GiB]
    #[arg(long, value_name = "SIZE")]
    max_unpacked: Option<ByteSize>,

    /// The file or folder; - for standard input
    file: PathBuf,
}

impl Arguments {
    pub fn run(self, settings: &File) -> Result<Ending, CommandError> {
        let source = self.source()?;
        let Address::Sqlite(path) = self.store.address(settings)?;
        let made = !path.exists();
        let store = self.store.open(settings, Missing::Make)?;
        let imported = self.import(store.as_ref(), source);
        drop(store);
        if imported.is_err() && made {
            // The database was made for what could not be imported.
            for ending in ["", "-journal", "-wal", "-shm"] {
                let mut name = path.clone().into_os_string();
                name.push(ending);
                let _: io::Result<()> = std::fs::remove_file(name);
            }
        }
        let imported = imported?;
        if made && let Err(error) = sqlite::write_ahead(&path) {
            // Somebody uses it already. It holds what it should.
            tracing::warn!("the new database keeps a rollback journal: {error}");
        }
        for moved in imported {
            logs::say(&format!(
                "{} imported into `{}`",
                counted(moved.documents, "document"),
                safe(&moved.table)
            ));
        }
        Ok(Ending::Done)
    }

    /// What to import from. Whatever is wrong with that shows before a database is made.
    fn source(&self) -> Result<Source, CommandError> {
        let file = &self.file;
        let unreadable = |error: io::Error| {
            CommandError::new(format!("{} cannot be read: {error}", file.display()))
        };
        if file.as_os_str() == "-" {
            let input = Input::new(io::stdin()).map_err(unreadable)?;
            let format = self.format.unwrap_or(Format::Jsonl);
            let table = self.table.clone().ok_or_else(|| {
                CommandError::usage("standard input has no name to tell the table by")
                    .hint("name it with --table")
            })?;
            return Ok(Source::Table(input, format, table));
        }
        if file.is_dir() {
            return self.whole_store("a folder").map(|()| Source::Folder);
        }
        let format = self
            .format
            .or_else(|| Format::of_path(file))
            .unwrap_or(Format::Jsonl);
        if format == Format::Convex {
            self.whole_store("a snapshot")?;
            return Ok(Source::Snapshot(Archive::open(file).map_err(unreadable)?));
        }
        let input = Input::open(file).map_err(unreadable)?;
        let table = self
            .table
            .clone()
            .or_else(|| transfer::table_of(file))
            .ok_or_else(|| {
                CommandError::usage("the file's name tells no table").hint("name it with --table")
            })?;
        Ok(Source::Table(input, format, table))
    }

    fn whole_store(&self, what: &str) -> Result<(), CommandError> {
        match &self.table {
            None => Ok(()),
            Some(_) => Err(CommandError::usage(format!(
                "{what} is not of one table; leave --table out"
            ))),
        }
    }

    fn import(&self, store: &dyn Store, source: Source) -> Result<Vec<Moved>, TransferError> {
        let existing = match (self.append, self.replace) {
            (true, _) => Existing::Append,
            (_, true) => Existing::Replace,
            _ => Existing::Refuse,
        };
        match source {
            Source::Table(mut input, format, table) => {
                let target = Target {
                    table: &table,
                    key: self.key.as_deref(),
                    existing,
                    typed: self.typed,
                };
                let bar = Bar::of_input(input.size());
                let read = input.meter();
                let mut progress = |count| bar.documents(count, Some(&read));
                let documents =
                    transfer::import(store, &target, format, &mut input, &mut progress)?;
                Ok(vec![Moved { table, documents }])
            }
            Source::Folder => {
                let bar = Bar::of_input(None);
                let mut progress = |count| bar.documents(count, None);
                let key = self.key.as_deref();
                transfer::import_folder(store, &self.file, key, existing, self.typed, &mut progress)
            }
            Source::Snapshot(archive) => {
                let limit = match self.max_unpacked {
                    Some(ByteSize(limit)) => Unpacked(limit),
                    None => Unpacked::of_archive(archive.metadata()?.len()),
                };
                let bar = Bar::of_input(None);
                let mut progress = |count| bar.documents(count, None);
                snapshot::import(
                    store,
                    BufReader::new(archive),
                    limit,
                    existing,
                    &mut progress,
                )
            }
        }
    }
}

/// What to import from.
enum Source {
    Table(Input, Format, String),
    /// The folder that was named.
    Folder,
    Snapshot(Archive),
}
