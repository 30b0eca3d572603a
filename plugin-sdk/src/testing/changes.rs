//! Applies the changes of one outcome: all of them or none.

use std::collections::BTreeMap;

use migration_document::{Change, Manifest, Reference, apply, diff, id, json};

use super::Store;
use crate::{Failure, codes};

/// What the outcome of one document does to the store, collected before anything is written.
struct Staged<'a> {
    store: &'a Store,
    manifest: &'a Manifest,
    /// The document whose outcome it is.
    source: &'a Reference,
    /// The documents that would differ; None for one that would be gone.
    written: BTreeMap<Reference, Option<String>>,
    inserted: usize,
}

/// What is to be written, if all of it can be.
pub(super) struct Writes {
    pub(super) documents: BTreeMap<Reference, Option<String>>,
    pub(super) inserted: usize,
}

/// The writes of these changes, of the outcome of the document `source`.
pub(super) fn stage(
    changes: Vec<Change>,
    source: &Reference,
    manifest: &Manifest,
    store: &Store,
) -> Result<Writes, Failure> {
    let mut staged = Staged {
        store,
        manifest,
        source,
        written: BTreeMap::new(),
        inserted: 0,
    };
    let mut insertions = 0;
    for change in changes {
        match change {
            Change::Insert(insertion) => {
                // Every insertion has its number, so that those without an id keep theirs.
                let ordinal = insertions;
                insertions += 1;
                let id_is_chosen = insertion.id.is_some();
                let id = insertion.id.unwrap_or_else(|| {
                    let from = (&*source.table, &*source.id);
                    id::derived_id(&manifest.name, &insertion.table, from, ordinal).to_string()
                });
                let target = Reference {
                    table: insertion.table,
                    id,
                };
                staged.insert(target, insertion.body, id_is_chosen)?;
            }
            Change::Edit(target, edits) => {
                let body = staged.existing(&target)?;
                let body = apply(body, &edits).map_err(|error| Failure::editing(&error))?;
                staged.write(target, body);
            }
            Change::Replace(target, new) => {
                let body = staged.existing(&target)?;
                let malformed = |error: migration_document::JsonError| {
                    Failure::new(codes::INVALID_VALUE, error.to_string())
                };
                let edits = diff(body, &new).map_err(malformed)?;
                let body = apply(body, &edits).map_err(|error| Failure::editing(&error))?;
                staged.write(target, body);
            }
            Change::Delete(target) => {
                staged.existing(&target)?;
                staged.written.insert(target, None);
            }
        }
    }
    // What is as it was is no change.
    let Staged {
        mut written,
        inserted,
        ..
    } = staged;
    written.retain(|target, body| store.raw(&target.table, &target.id) != body.as_deref());
    Ok(Writes {
        documents: written,
        inserted,
    })
}

impl Staged<'_> {
    fn granted(&self, table: &str) -> Result<(), Failure> {
        if table != self.manifest.table && !self.manifest.writes.iter().any(|write| write == table)
        {
            let message = format!("the migration does not declare that it writes table `{table}`");
            return Err(Failure::new("not-granted", message));
        }
        Ok(())
    }

    /// The body of a document as the changes so far leave it.
    fn body(&self, target: &Reference) -> Option<&str> {
        match self.written.get(target) {
            Some(body) => body.as_deref(),
            None => self.store.raw(&target.table, &target.id),
        }
    }

    fn existing(&self, target: &Reference) -> Result<&str, Failure> {
        self.granted(&target.table)?;
        self.body(target).ok_or_else(|| {
            let Reference { table, id } = target;
            if target == self.source {
                let message = "an earlier change of the same outcome deleted the document";
                return Failure::new("deleted-document", message);
            }
            let message = format!("table `{table}` has no document `{id}` to change");
            Failure::new("unknown-document", message)
        })
    }

    /// An id that the author chose must be new. One that was derived and exists is this document's
    /// own insertion, made by an earlier run.
    fn insert(
        &mut self,
        target: Reference,
        body: String,
        id_is_chosen: bool,
    ) -> Result<(), Failure> {
        self.granted(&target.table)?;
        json::check(&body)
            .map_err(|error| Failure::new(codes::INVALID_VALUE, error.to_string()))?;
        if self.body(&target).is_none() {
            self.inserted += 1;
            self.write(target, body);
        } else if id_is_chosen {
            let Reference { table, id } = target;
            let message = format!("table `{table}` has a document `{id}` already");
            return Err(Failure::new("duplicate-id", message));
        }
        Ok(())
    }

    fn write(&mut self, target: Reference, body: String) {
        self.written.insert(target, Some(body));
    }
}
