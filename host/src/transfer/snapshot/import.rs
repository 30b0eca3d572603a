//! A snapshot into a store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Seek};
use std::rc::Rc;

use migration_document::id::new_id;
use migration_document::json;
use zip::ZipArchive;

use super::{PART, TableLine};
use crate::convex::legacy::LegacyError;
use crate::convex::{ConvexId, Encoding, Entry, Legacy, TableNumber, path};
use crate::store::{Store, Writer};
use crate::transfer::intake::{Intake, unless_malformed};
use crate::transfer::json::each_line;
use crate::transfer::{Existing, Moved, Target, TransferError, at_once};

/// A document may be 1 MiB large for Convex; the encoding of bytes makes it longer.
const LINE_BYTES: u64 = 64 << 20;

/// How large the texts may be that tell a table's encoding: they are held in memory.
const SCHEMA_BYTES: u64 = 64 << 20;

/// How large a snapshot may be when it is unpacked. Convex's own are smaller than a twentieth of that.
const RATIO: u64 = 200;

/// What is allowed whatever the size of the archive.
const SMALL: u64 = 1 << 30;

/// How much a snapshot may come to when it is unpacked, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked(pub u64);

impl Unpacked {
    /// The default: 200 times the size of the archive, and 1 GiB for small ones.
    #[must_use]
    pub fn of_archive(size: u64) -> Self {
        Self(size.saturating_mul(RATIO).max(SMALL))
    }
}

/// Brings a snapshot in, all of it or nothing, and returns its tables.
///
/// # Errors
/// If the archive is none, or damaged, would take more room than `limit`, has a document that Convex would not take, or
/// a table has documents and `existing` does not say what becomes of them.
pub fn import(
    store: &dyn Store,
    archive: impl Read + Seek,
    limit: Unpacked,
    existing: Existing,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Moved>, TransferError> {
    let mut snapshot = Snapshot::open(archive, limit)?;
    at_once(store, |writer| {
        snapshot.number(writer)?;
        let mut moved = Vec::new();
        let mut before = 0;
        for listed in Rc::clone(&snapshot.entries).iter() {
            let kept = writer.keep_entry(&listed.path)?;
            let Entry::Documents(table) = &listed.entry else {
                snapshot.keep(writer, kept, listed)?;
                continue;
            };
            let mut progress = |count| progress(before + count);
            let documents = snapshot
                .documents(writer, listed, table, existing, &mut progress)
                .map_err(|error| error.within(&listed.path))?;
            before += documents;
            moved.push(Moved {
                table: table.clone(),
                documents,
            });
        }
        Ok(moved)
    })
}

/// An entry of the archive.
#[derive(Debug)]
struct Listed {
    /// Its place in the archive.
    index: usize,
    path: String,
    entry: Entry,
}

/// An archive that was looked over.
struct Snapshot<R> {
    archive: ZipArchive<R>,
    /// In the order of the archive. Folders have no entry of their own.
    entries: Rc<[Listed]>,
    numbers: BTreeMap<String, TableNumber>,
    limit: u64,
    /// How much was unpacked.
    unpacked: u64,
}

impl<R: Read + Seek> Snapshot<R> {
    fn open(archive: R, limit: Unpacked) -> Result<Self, TransferError> {
        let mut archive = ZipArchive::new(archive)?;
        let mut entries = Vec::with_capacity(archive.len());
        let mut announced = 0_u64;
        let mut seen = BTreeSet::new();
        for index in 0..archive.len() {
            let file = archive.by_index_raw(index)?;
            announced = announced.saturating_add(file.size());
            let path = file.name()?.into_owned();
            if file.is_dir() {
                continue;
            }
            let entry = Entry::of_path(&path)
                .map_err(|error| TransferError::Snapshot(error.to_string()))?;
            if let Entry::Documents(table) | Entry::Schema(table) | Entry::Tables(table) = &entry
                && !seen.insert(entry.clone())
            {
                return Err(TransferError::Snapshot(format!(
                    "`{table}` is there twice, the second time as `{path}`"
                )));
            }
            entries.push(Listed { index, path, entry });
        }
        if announced > limit.0 {
            return Err(TransferError::TooLarge(limit.0));
        }
        let of_tables =
            |listed: &Listed| matches!(listed.entry, Entry::Documents(_) | Entry::Tables(_));
        if !entries.iter().any(of_tables) {
            return Err(TransferError::Snapshot(
                "it has no TABLE/documents.jsonl, as snapshots of Convex have".into(),
            ));
        }
        Ok(Self {
            archive,
            entries: entries.into(),
            numbers: BTreeMap::new(),
            limit: limit.0,
            unpacked: 0,
        })
    }

    /// Has an entry read, and counts what that unpacks.
    fn read<T>(
        &mut self,
        listed: &Listed,
        read: impl FnOnce(&mut dyn BufRead) -> Result<T, TransferError>,
    ) -> Result<T, TransferError> {
        let mut metered = Metered {
            bytes: self.archive.by_index(listed.index)?,
            left: self.limit.saturating_sub(self.unpacked),
            over: false,
        };
        let before = metered.left;
        let done = read(&mut BufReader::with_capacity(PART, &mut metered));
        let (left, over) = (metered.left, metered.over);
        self.unpacked += before - left;
        if over {
            return Err(TransferError::TooLarge(self.limit));
        }
        done
    }

    /// All of a text that is held in memory.
    fn text(&mut self, listed: &Listed) -> Result<String, TransferError> {
        let path = &listed.path;
        let read = self.read(listed, |bytes| {
            let mut text = String::new();
            let length = bytes.take(SCHEMA_BYTES).read_to_string(&mut text)?;
            if length as u64 == SCHEMA_BYTES {
                return Err(TransferError::Snapshot(format!(
                    "`{path}` is longer than {}",
                    bytesize::ByteSize(SCHEMA_BYTES)
                )));
            }
            Ok(text)
        });
        read.map_err(|error| match error {
            TransferError::Io(error) => TransferError::Snapshot(format!("`{path}`: {error}")),
            error => error,
        })
    }

    /// Reads the numbers of the tables, and gives them to them.
    fn number(&mut self, writer: &mut dyn Writer) -> Result<(), TransferError> {
        for listed in Rc::clone(&self.entries).iter() {
            let Entry::Tables(component) = &listed.entry else {
                continue;
            };
            let text = self.text(listed)?;
            for (index, line) in text
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.is_empty())
            {
                let line: TableLine<'_> = serde_json::from_str(line).map_err(|error| {
                    let at = format!("{}, line {}", listed.path, index + 1);
                    TransferError::input(at, error.to_string())
                })?;
                let table = path::join(component, &line.name);
                writer.number_table(&table, line.id)?;
                self.numbers.insert(table, line.id);
            }
        }
        Ok(())
    }

    /// Keeps an entry as it is.
    fn keep(
        &mut self,
        writer: &mut dyn Writer,
        kept: i64,
        listed: &Listed,
    ) -> Result<(), TransferError> {
        self.read(listed, |bytes| {
            let mut part = Vec::with_capacity(PART);
            for number in 0.. {
                part.clear();
                if Read::take(&mut *bytes, PART as u64).read_to_end(&mut part)? == 0 {
                    break;
                }
                writer.keep_part(kept, number, &part)?;
            }
            Ok(())
        })
    }

    /// How the documents of a table are encoded.
    fn encoding(&mut self, table: &str) -> Result<Encoding, TransferError> {
        let wanted = Entry::Schema(table.into());
        let entries = Rc::clone(&self.entries);
        let Some(schema) = entries.iter().find(|listed| listed.entry == wanted) else {
            return Ok(Encoding::Legacy(Legacy::default()));
        };
        let text = self.text(schema)?;
        Encoding::read(text.lines())
            .map_err(|error| TransferError::Snapshot(format!("`{}`: {error}", schema.path)))
    }

    /// Brings the documents of a table in.
    fn documents(
        &mut self,
        writer: &mut dyn Writer,
        listed: &Listed,
        table: &str,
        existing: Existing,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, TransferError> {
        let encoding = self.encoding(table)?;
        let mut ids = Ids {
            table,
            number: self.numbers.get(table).copied(),
            others: self.numbers.values().copied().collect(),
        };
        let target = Target {
            table,
            key: Some("_id"),
            existing,
            typed: true,
        };
        let mut intake = Intake::open(writer, &target, progress)?;
        self.read(listed, |bytes| {
            each_line(bytes, LINE_BYTES, |text, at| {
                let input = |why: String| TransferError::input(at(), why);
                if !text.starts_with('{') {
                    return Err(input("a document is a JSON object".into()));
                }
                let id = ids
                    .of(text, at)
                    .map_err(|why| input(unless_malformed(text, why)))?;
                match &encoding {
                    Encoding::Current => intake.keyed(Some(&id), text, at),
                    Encoding::Legacy(legacy) => {
                        let decoded = legacy
                            .decode(&id, text)
                            .map_err(|error: LegacyError| input(error.to_string()))?;
                        intake.keyed(Some(&id), &decoded, at)
                    }
                }
            })
        })?;
        let count = intake.count();
        // Of a table that is in no list, its documents have told the number.
        if let Some(number) = ids.number
            && self.numbers.insert(table.into(), number).is_none()
        {
            writer.number_table(table, number)?;
        }
        Ok(count)
    }
}

/// The ids of a table's documents.
struct Ids<'t> {
    table: &'t str,
    /// Known from the list of tables, or from the first document.
    number: Option<TableNumber>,
    others: BTreeSet<TableNumber>,
}

impl Ids<'_> {
    /// The id of a document; a new one where it has none, as Convex gives it one.
    fn of(&mut self, text: &str, at: &dyn Fn() -> String) -> Result<String, String> {
        let found = json::get(text, "/_id").map_err(|error| error.to_string())?;
        let Some(found) = found else {
            let number = self
                .number
                .unwrap_or_else(|| TableNumber::after(self.others.iter().copied()));
            self.number = Some(number);
            return Ok(ConvexId::new(number, new_id("host import", self.table, &at())).to_string());
        };
        let text: String = serde_json::from_str(found)
            .map_err(|_| format!("its `_id` is {found}, and no string"))?;
        let id: ConvexId = text
            .parse()
            .map_err(|error| format!("its `_id`: {error}"))?;
        let number = *self.number.get_or_insert(id.table);
        if id.table != number {
            return Err(format!(
                "its `_id` `{text}` is one of table number {}, and `{}` has the number {number}",
                id.table, self.table
            ));
        }
        Ok(text)
    }
}

/// Counts what is unpacked, and ends where it is too much.
struct Metered<R> {
    bytes: R,
    left: u64,
    over: bool,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => {
                self.over = true;
                Err(std::io::Error::other("more than the limit"))
            }
        }
    }
}
