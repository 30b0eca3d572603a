//! A store into a snapshot.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Seek, Write};
use std::rc::Rc;
use std::sync::Arc;

use migration_document::json;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::TableLine;
use crate::convex::path::{self, STORAGE};
use crate::convex::{ConvexId, Encoding, Entry, Legacy, TableNumber};
use crate::store::shelf::ShelfEntry;
use crate::store::{Document, Kind, Reader, Store, Table};
use crate::transfer::out::{Documents, one_line};
use crate::transfer::{Moved, TransferError};

/// What `generated_schema.jsonl` says of a table in the current encoding.
const CURRENT: &[u8] = b"\"uniform\"\n";

/// Writes a whole store as a snapshot, as of one moment.
///
/// What came from a snapshot has the entries that it had, in their order; further tables come behind them. A table that
/// came in the legacy encoding keeps it for as long as that tells the types of all its values.
///
/// # Errors
/// If a document has an id that Convex would not take, a table a name that it would not, or the archive cannot be written.
pub fn export(
    store: &dyn Store,
    output: impl Write + Seek,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Moved>, TransferError> {
    let usable = store.tables()?.into_iter();
    let mut tables = BTreeMap::new();
    for summary in usable.filter(|table| table.unusable.is_none()) {
        check_name(&summary.table)?;
        tables.insert(summary.table.clone(), store.table(&summary.table)?);
    }
    let mut reader = store.reader()?;
    reader.begin()?;
    let mut kept = Vec::new();
    for shelved in reader.shelf_entries()? {
        let entry = Entry::of_path(&shelved.path)
            .map_err(|error| TransferError::Snapshot(error.to_string()))?;
        kept.push((shelved, entry));
    }
    let known = reader.table_numbers()?;
    let mut export = Export {
        reader: reader.as_mut(),
        archive: ZipWriter::new(output),
        numbers: numbers(&tables, &known),
        known,
        kept: kept.into(),
        tables,
        checked: BTreeSet::new(),
        current: BTreeSet::new(),
        moved: Vec::new(),
        before: 0,
        progress,
    };
    export.everything()?;
    let moved = export.moved;
    export.archive.finish()?;
    reader.end()?;
    Ok(moved)
}

/// Convex takes letters, digits and underscores, a letter first, 64 at the most; of its own tables, the files'.
fn check_name(table: &str) -> Result<(), TransferError> {
    let (component, name) = path::split(table);
    let plain = |name: &str| {
        name.len() <= 64
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let sound = (name == STORAGE || plain(name))
        && component
            .split('/')
            .all(|name| component.is_empty() || plain(name));
    if sound {
        Ok(())
    } else {
        Err(TransferError::Table {
            table: table.into(),
            why: "Convex takes no such name for a table".into(),
        })
    }
}

/// The numbers of all tables: the known ones, and new ones for those that have none, by name.
fn numbers(
    tables: &BTreeMap<String, Arc<Table>>,
    known: &BTreeMap<String, TableNumber>,
) -> BTreeMap<String, TableNumber> {
    let mut numbers = known.clone();
    for table in tables
        .keys()
        .filter(|table| !path::split(table).1.starts_with('_'))
    {
        if !numbers.contains_key(table) {
            numbers.insert(table.clone(), TableNumber::after(numbers.values().copied()));
        }
    }
    numbers
}

struct Export<'a, W: Write + Seek> {
    reader: &'a mut dyn Reader,
    archive: ZipWriter<W>,
    /// What came with a snapshot, in its order.
    kept: Rc<[(ShelfEntry, Entry)]>,
    tables: BTreeMap<String, Arc<Table>>,
    /// The numbers that the store has given.
    known: BTreeMap<String, TableNumber>,
    numbers: BTreeMap<String, TableNumber>,
    /// Tables that came in the legacy encoding, and can be written in it; those that cannot.
    checked: BTreeSet<String>,
    current: BTreeSet<String>,
    moved: Vec<Moved>,
    before: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<W: Write + Seek> Export<'_, W> {
    fn everything(&mut self) -> Result<(), TransferError> {
        let listed: BTreeSet<String> = self
            .kept
            .iter()
            .filter_map(|(_, entry)| match entry {
                Entry::Tables(component) => Some(component.clone()),
                _ => None,
            })
            .collect();
        let components: BTreeSet<String> = self
            .tables
            .keys()
            .map(|table| path::split(table).0.to_owned())
            .collect();
        for component in components.difference(&listed) {
            self.list(component, &path::tables(component), "")?;
        }
        for (shelved, entry) in Rc::clone(&self.kept).iter() {
            match entry {
                Entry::Tables(component) => {
                    let text = self.text(shelved)?;
                    self.list(component, &shelved.path, &text)?;
                }
                Entry::Documents(table) => self.documents(table, &shelved.path)?,
                Entry::Schema(table) => self.schema(table, shelved)?,
                Entry::Other => self.copy(shelved)?,
            }
        }
        let written: BTreeSet<String> =
            self.moved.iter().map(|moved| moved.table.clone()).collect();
        let rest: Vec<String> = self
            .tables
            .keys()
            .filter(|table| !written.contains(*table))
            .cloned()
            .collect();
        for table in rest {
            self.documents(&table, &path::documents(&table))?;
        }
        Ok(())
    }

    fn start(&mut self, path: &str) -> Result<(), TransferError> {
        // How long an entry becomes is not known before it is written.
        let options = SimpleFileOptions::default()
            .large_file(true)
            .unix_permissions(0o644);
        Ok(self.archive.start_file(path, options)?)
    }

    /// Writes the list of a component's tables: the lines that it had, but for tables that are gone, and new ones.
    fn list(&mut self, component: &str, path: &str, had: &str) -> Result<(), TransferError> {
        self.start(path)?;
        let mut listed = BTreeSet::new();
        for line in had.split_inclusive('\n') {
            let table = serde_json::from_str::<TableLine<'_>>(line)
                .map(|line| path::join(component, &line.name))
                .map_err(|error| TransferError::Snapshot(format!("`{path}`: {error}")))?;
            if self.tables.contains_key(&table) {
                self.archive.write_all(line.as_bytes())?;
                listed.insert(table);
            }
        }
        for (table, number) in &self.numbers {
            let (of, name) = path::split(table);
            if of != component
                || name.starts_with('_')
                || listed.contains(table)
                || !self.tables.contains_key(table)
            {
                continue;
            }
            let line = TableLine {
                name: name.into(),
                id: *number,
            };
            let line = serde_json::to_string(&line).map_err(std::io::Error::from)?;
            self.archive.write_all(line.as_bytes())?;
            self.archive.write_all(b"\n")?;
        }
        Ok(())
    }

    fn copy(&mut self, shelved: &ShelfEntry) -> Result<(), TransferError> {
        self.start(&shelved.path)?;
        copy_parts(self.reader, shelved, &mut self.archive)
    }

    /// All of an entry that was small enough to be held in memory when it came.
    fn text(&mut self, shelved: &ShelfEntry) -> Result<String, TransferError> {
        let mut bytes = Vec::new();
        copy_parts(self.reader, shelved, &mut bytes)?;
        String::from_utf8(bytes)
            .map_err(|error| TransferError::Snapshot(format!("`{}`: {error}", shelved.path)))
    }

    /// Writes what tells a table's encoding.
    fn schema(&mut self, table: &str, shelved: &ShelfEntry) -> Result<(), TransferError> {
        let Some(table) = self.tables.get(table).cloned() else {
            return Ok(());
        };
        match self.encoding(&table)? {
            Encoding::Legacy(_) => self.copy(shelved),
            Encoding::Current => {
                self.start(&shelved.path)?;
                Ok(self.archive.write_all(CURRENT)?)
            }
        }
    }

    fn ids<'t>(&self, table: &'t Table) -> Ids<'t> {
        Ids {
            table,
            number: self.numbers.get(&table.name).copied(),
            strict: self.known.contains_key(&table.name),
        }
    }

    /// How a table is written: as it came, unless that would not tell all types any more.
    fn encoding(&mut self, table: &Table) -> Result<Encoding, TransferError> {
        if self.current.contains(&table.name) {
            return Ok(Encoding::Current);
        }
        let kept = Rc::clone(&self.kept);
        let of = |wanted: Entry| kept.iter().find(|(_, entry)| *entry == wanted);
        let encoding = match of(Entry::Schema(table.name.clone())) {
            Some((shelved, _)) => {
                let text = self.text(shelved)?;
                Encoding::read(text.lines()).map_err(|error| {
                    TransferError::Snapshot(format!("`{}`: {error}", shelved.path))
                })?
            }
            None if of(Entry::Documents(table.name.clone())).is_some() => {
                Encoding::Legacy(Legacy::default())
            }
            None => Encoding::Current,
        };
        let Encoding::Legacy(legacy) = encoding else {
            return Ok(Encoding::Current);
        };
        if self.checked.contains(&table.name) || self.tells(&legacy, table)? {
            self.checked.insert(table.name.clone());
            return Ok(Encoding::Legacy(legacy));
        }
        self.current.insert(table.name.clone());
        Ok(Encoding::Current)
    }

    /// Whether the legacy encoding tells the types of all values of a table.
    fn tells(&mut self, legacy: &Legacy, table: &Table) -> Result<bool, TransferError> {
        let ids = self.ids(table);
        let mut tells = true;
        Documents::new(self.reader, table).each(|document| {
            tells = tells && legacy.tells(&document.id, &ids.line(document)?);
            Ok(())
        })?;
        Ok(tells)
    }

    /// Writes the documents of a table, and what tells their encoding where there was no need of it before.
    fn documents(&mut self, table: &str, path: &str) -> Result<(), TransferError> {
        let Some(table) = self.tables.get(table).cloned() else {
            return Ok(());
        };
        let encoding = self.encoding(&table)?;
        self.start(path)?;
        let ids = self.ids(&table);
        let (archive, progress, before) = (&mut self.archive, &mut self.progress, self.before);
        let mut count = 0;
        let documents = Documents::new(self.reader, &table).each(|document| {
            let line = ids.line(document)?;
            let line = match &encoding {
                Encoding::Current => line,
                // That it tells all types was seen when the encoding was chosen, within the same snapshot.
                Encoding::Legacy(_) => Legacy::encode(&line)
                    .map_err(|error| ids.refuse(document, error.to_string()))?
                    .into(),
            };
            archive.write_all(line.as_bytes())?;
            archive.write_all(b"\n")?;
            count += 1;
            progress(before + count);
            Ok(())
        })?;
        self.before += documents;
        let unsaid = !self
            .kept
            .iter()
            .any(|(_, entry)| *entry == Entry::Schema(table.name.clone()));
        if unsaid && encoding == Encoding::Current && path::split(&table.name).1 != STORAGE {
            let folder = path.strip_suffix(path::DOCUMENTS).unwrap_or_default();
            self.start(&format!("{folder}{}", path::SCHEMA))?;
            self.archive.write_all(CURRENT)?;
        }
        self.moved.push(Moved {
            table: table.name.clone(),
            documents,
        });
        Ok(())
    }
}

/// Writes what is kept of an entry.
fn copy_parts(
    reader: &mut dyn Reader,
    shelved: &ShelfEntry,
    to: &mut impl Write,
) -> Result<(), TransferError> {
    for number in 0.. {
        match reader.shelf_part(shelved.number, number)? {
            Some(part) => to.write_all(&part)?,
            None => break,
        }
    }
    Ok(())
}

/// The ids of a table's documents.
struct Ids<'t> {
    table: &'t Table,
    number: Option<TableNumber>,
    /// The table came from Convex, so all its keys are ids.
    strict: bool,
}

impl Ids<'_> {
    fn refuse(&self, document: &Document, why: impl Into<String>) -> TransferError {
        TransferError::Document {
            table: self.table.name.clone(),
            id: document.id.to_string(),
            why: why.into(),
        }
    }

    /// The line of a document: with the id that it has. One that has none gets one from Convex.
    fn line<'d>(&self, document: &'d Document) -> Result<Cow<'d, str>, TransferError> {
        let line = one_line(&document.body);
        let held =
            json::get(&line, "/_id").map_err(|error| self.refuse(document, error.to_string()))?;
        let id = match held {
            Some(held) => serde_json::from_str(held).map_err(|_| {
                self.refuse(document, format!("its `_id` is {held}, and no string"))
            })?,
            None if self.strict && self.table.kind != Kind::Row => document.id.to_string(),
            None => return Ok(line),
        };
        match id.parse::<ConvexId>() {
            Ok(id) if self.number.is_none_or(|number| number == id.table) => {}
            Ok(other) => {
                let why = format!("its id is one of table number {}", other.table);
                return Err(self.refuse(document, why));
            }
            Err(error) => return Err(self.refuse(document, error.to_string())),
        }
        if held.is_some() {
            return Ok(line);
        }
        // The first place in an object that is one: JSON of the store was checked when it came.
        let members = line.trim_start().strip_prefix('{').unwrap_or_default();
        let comma = if members.trim_start().starts_with('}') {
            ""
        } else {
            ","
        };
        Ok(format!("{{\"_id\":\"{id}\"{comma}{members}").into())
    }
}
