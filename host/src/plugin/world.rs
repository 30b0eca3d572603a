//! What a plugin can see from within its sandbox, whatever version of the interface it speaks.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use migration_document::{Condition, Filter, Test, id};

use super::limits::{Limit, Limits, Usage, limit};
use super::secrets::Secrets;
use crate::store::{Document, Excess, Kind, Reach, Reader, StoreError, Table};

/// A reader that the engine and the sandbox use in turns.
pub type SharedReader = Arc<Mutex<Box<dyn Reader>>>;

/// Everything that stands still for a whole run.
#[derive(Default)]
pub struct Fixed {
    /// The migration's name; ids are made from it.
    pub migration: String,
    /// When the run began, in milliseconds since the Unix epoch.
    pub now: u64,
    /// Parameters: names and JSON texts.
    pub parameters: BTreeMap<String, String>,
    /// The secrets that were granted.
    pub secrets: Secrets,
    /// The tables that documents may be looked up in, by the names that the manifest uses.
    pub readable: BTreeMap<String, Arc<Table>>,
    /// The tables whose keys are known: those that may be read or written.
    pub known: BTreeMap<String, Arc<Table>>,
}

impl Fixed {
    /// An id for a new document of a table, for its kind of key.
    #[must_use]
    pub fn new_id(&self, table: &str, seed: &str) -> String {
        let made = id::new_id(&self.migration, table, seed);
        match self.known.get(table) {
            Some(known) => known.key_for(made),
            None => made.to_string(),
        }
    }
}

/// What stands still, and where lookups are answered.
#[derive(Clone, Default)]
pub struct World {
    /// What stands still.
    pub fixed: Arc<Fixed>,
    /// Where lookups are answered. None: the plugin is only asked what it is.
    pub reader: Option<SharedReader>,
}

/// Why a lookup was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupError {
    /// The table was not granted, or does not exist: a plugin cannot tell which.
    NotGranted(String),
    /// The call has looked up too much.
    Limit(Limit),
    /// The call's time is up.
    Time(Limit),
    /// The store failed, or the query makes no sense.
    Store(String),
}

/// A lookup that was answered, and what the answer was: enough to tell later whether it still is.
#[derive(Debug, Clone)]
pub struct Asked {
    table: String,
    question: Question,
    /// A hash of the answer. Two answers are taken for one with a probability of 2^-64.
    answer: u64,
}

#[derive(Debug, Clone)]
enum Question {
    Get(Vec<String>),
    Find(Vec<Condition>, usize),
}

impl Asked {
    /// Whether the answer is still the same.
    #[must_use]
    pub fn still_holds(&self, world: &World, limits: &Limits) -> bool {
        // It has as much time as the call had that asked, or more.
        let mut again = Lookups::new(limits, usize::MAX);
        let asked = match &self.question {
            Question::Get(ids) => again.get(world, &self.table, ids).is_ok(),
            Question::Find(query, limit) => again
                .find(world, &self.table, std::slice::from_ref(query), *limit)
                .is_ok(),
        };
        asked
            && again
                .asked
                .pop()
                .is_some_and(|again| again.answer == self.answer)
    }
}

/// The lookups of one call.
pub struct Lookups {
    /// Lookups run in the host, where the guest's own deadline does not reach them.
    until: (Instant, Limit),
    asks_left: usize,
    documents_left: usize,
    bytes_left: usize,
    limits: Limits,
    asked: Vec<Asked>,
}

impl Lookups {
    /// The allowance of a call for so many documents.
    #[must_use]
    pub fn new(limits: &Limits, documents: usize) -> Self {
        let (time, limit) = limits.call_time(documents);
        let now = Instant::now();
        Self {
            until: (now.checked_add(time).unwrap_or(now), limit),
            asks_left: limits.lookups.0,
            documents_left: limits.lookup_documents.0,
            bytes_left: limits.lookup_bytes.0,
            limits: limits.clone(),
            asked: Vec::new(),
        }
    }

    /// Notes how much of its allowance is used.
    pub(super) fn note(&self, usage: &mut Usage) {
        let limits = &self.limits;
        usage.lookups.count(limits.lookups.0 - self.asks_left);
        usage
            .lookup_documents
            .count(limits.lookup_documents.0 - self.documents_left);
        usage
            .lookup_bytes
            .count(limits.lookup_bytes.0 - self.bytes_left);
    }

    /// What was asked so far, and answered.
    #[must_use]
    pub fn into_asked(self) -> Vec<Asked> {
        self.asked
    }

    /// The documents with these ids, in order.
    ///
    /// # Errors
    /// If the table was not granted, a limit is reached, or the store fails.
    pub fn get(
        &mut self,
        world: &World,
        table: &str,
        ids: &[String],
    ) -> Result<Vec<Option<Document>>, LookupError> {
        let (known, reader) = granted(world, table)?;
        // Before the store is asked, so that asking for a million ids costs nothing.
        self.ask(ids.len(), ids.iter().map(String::len).sum())?;
        let found = lock(reader)
            .get(known, ids, self.reach())
            .map_err(|error| self.failed(&error))?;
        for document in found.iter().flatten() {
            self.spend(document)?;
        }
        self.asked.push(Asked {
            table: table.into(),
            question: Question::Get(ids.to_vec()),
            answer: digest(found.iter().map(Option::as_ref)),
        });
        Ok(found)
    }

    /// For each query the first documents, by id, that meet its conditions.
    ///
    /// # Errors
    /// If the table was not granted, a condition makes no sense, a limit is reached, or the store fails.
    pub fn find(
        &mut self,
        world: &World,
        table: &str,
        queries: &[Vec<Condition>],
        limit: usize,
    ) -> Result<Vec<Vec<Document>>, LookupError> {
        let (known, reader) = granted(world, table)?;
        let mut found = Vec::new();
        for query in queries {
            self.ask(1, query.iter().map(size_of_condition).sum())?;
            let filter = Filter::new(query)
                .map_err(|error| LookupError::Store(error.to_string()))?
                .null_is_missing(known.kind == Kind::Row);
            // One more than may be had tells that there is too much.
            let documents = lock(reader)
                .find(
                    known,
                    &filter,
                    limit.min(self.documents_left + 1),
                    self.reach(),
                )
                .map_err(|error| self.failed(&error))?;
            for document in &documents {
                self.spend(document)?;
            }
            self.asked.push(Asked {
                table: table.into(),
                question: Question::Find(query.clone(), limit),
                answer: digest(documents.iter().map(Some)),
            });
            found.push(documents);
        }
        Ok(found)
    }

    /// Accounts for questions, which are kept until the batch is written.
    fn ask(&mut self, questions: usize, bytes: usize) -> Result<(), LookupError> {
        self.asks_left = self
            .asks_left
            .checked_sub(questions)
            .ok_or_else(|| LookupError::Limit(limit!(self.limits.lookups)))?;
        self.take_bytes(bytes)
    }

    fn spend(&mut self, document: &Document) -> Result<(), LookupError> {
        self.documents_left = self
            .documents_left
            .checked_sub(1)
            .ok_or_else(|| LookupError::Limit(limit!(self.limits.lookup_documents)))?;
        self.take_bytes(document.id.len() + document.body.len())
    }

    fn take_bytes(&mut self, bytes: usize) -> Result<(), LookupError> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes)
            .ok_or_else(|| LookupError::Limit(limit!(self.limits.lookup_bytes)))?;
        Ok(())
    }

    /// How far the next lookup may go.
    fn reach(&self) -> Reach {
        Reach {
            until: Some(self.until.0),
            bytes: self.bytes_left,
        }
    }

    /// What a failure of the store means.
    fn failed(&self, error: &StoreError) -> LookupError {
        match error {
            StoreError::Beyond(Excess::Time) => LookupError::Time(self.until.1.clone()),
            StoreError::Beyond(Excess::Bytes) => {
                LookupError::Limit(limit!(self.limits.lookup_bytes))
            }
            _ => LookupError::Store(error.to_string()),
        }
    }
}

/// How much of a condition is text.
fn size_of_condition(condition: &Condition) -> usize {
    condition.at.len()
        + match &condition.test {
            Test::Present | Test::Missing => 0,
            Test::Equals(value)
            | Test::NotEquals(value)
            | Test::LessThan(value)
            | Test::AtLeast(value) => value.len(),
            Test::OneOf(values) => values.iter().map(String::len).sum(),
        }
}

/// A hash of documents and of where there is none. It is compared within one process only.
fn digest<'d>(documents: impl Iterator<Item = Option<&'d Document>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for document in documents {
        document
            .map(|document| (&document.id, &document.body))
            .hash(&mut hasher);
    }
    hasher.finish()
}

fn granted<'w>(world: &'w World, name: &str) -> Result<(&'w Table, &'w SharedReader), LookupError> {
    world
        .fixed
        .readable
        .get(name)
        .zip(world.reader.as_ref())
        .map(|(table, reader)| (table.as_ref(), reader))
        .ok_or_else(|| LookupError::NotGranted(name.into()))
}

/// Locks a reader. A thread that panicked while it read left nothing half-done: readers change nothing.
pub fn lock(reader: &SharedReader) -> std::sync::MutexGuard<'_, Box<dyn Reader>> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::store::Store as _;
    use crate::store::sqlite::SqliteStore;

    /// Were the store asked, how long that takes could tell whether the table is there.
    #[test]
    fn a_table_that_was_not_granted_is_refused_without_asking_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        let store = SqliteStore::open_or_create(&path, Duration::ZERO, BTreeMap::new()).unwrap();
        let reader: SharedReader = Arc::new(Mutex::new(store.reader().unwrap()));
        let world = World {
            reader: Some(Arc::clone(&reader)),
            ..World::default()
        };
        let (sender, answers) = mpsc::channel();
        // Whoever wants the reader would wait for this.
        let held = lock(&reader);
        thread::spawn(move || {
            let mut lookups = Lookups::new(&Limits::default(), 1);
            let got = lookups.get(&world, "there", &["id".into()]).unwrap_err();
            let found = lookups.find(&world, "there", &[vec![]], 1).unwrap_err();
            sender.send([got, found]).unwrap();
        });
        let refused = answers.recv_timeout(Duration::from_secs(60)).unwrap();
        drop(held);
        let expected = LookupError::NotGranted("there".into());
        assert_eq!(refused, [expected.clone(), expected]);
    }
}
