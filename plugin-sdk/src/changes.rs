//! Changes of several documents at once.

use migration_document::{Change, Insertion, Reference};
use serde::Serialize;

use crate::{Edits, Failure, codes};

/// Several changes, to this document and to others, made together or not at all.
///
/// Every table besides the migration's own must be declared by
/// [`Manifest::writes`](crate::Manifest::writes) and granted by the user. Whatever does not apply
/// is the failure of the document at hand.
///
/// ```
/// use plugin_sdk::{Changes, Edits, Outcome};
/// let outcome: Outcome = Changes::new()
///     .insert("apiKeys", [("openai", "sk-1")])
///     .edit("userSettings", "s1", Edits::new().set("/encryptedApiKeys", ""))
///     .into();
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "changes do nothing until they are returned as an outcome"]
pub struct Changes {
    changes: Vec<Change>,
    /// The first body that could not be written as JSON; see [`Edits`].
    failure: Option<Failure>,
}

impl Changes {
    /// No changes yet.
    ///
    /// ```
    /// assert!(plugin_sdk::Changes::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a document, whose id the host derives from the migration and the document at hand. So
    /// the same document never inserts twice: where the id exists already, nothing is done.
    ///
    /// ```
    /// let changes = plugin_sdk::Changes::new().insert("newTable", [("name", "Ada")]);
    /// ```
    pub fn insert(self, table: impl Into<String>, body: impl Serialize) -> Self {
        self.push_insertion(table.into(), None, &body)
    }

    /// Adds a document with an id of your choice, such as
    /// [`Context::new_id`](crate::Context::new_id) makes. If there is one with that id, the
    /// document at hand fails with the code `duplicate-id`.
    ///
    /// ```
    /// let changes = plugin_sdk::Changes::new().insert_as("tags", "red", [("name", "Red")]);
    /// ```
    pub fn insert_as(
        self,
        table: impl Into<String>,
        id: impl Into<String>,
        body: impl Serialize,
    ) -> Self {
        self.push_insertion(table.into(), Some(id.into()), &body)
    }

    fn push_insertion(self, table: String, id: Option<String>, body: &impl Serialize) -> Self {
        self.push_body(body, |body| Change::Insert(Insertion { table, id, body }))
    }

    /// Edits a document.
    ///
    /// ```
    /// use plugin_sdk::{Changes, Edits};
    /// let changes = Changes::new().edit("users", "u1", Edits::new().set("/tier", "premium"));
    /// ```
    pub fn edit(mut self, table: impl Into<String>, id: impl Into<String>, edits: Edits) -> Self {
        match edits.into_model() {
            Ok(edits) => self
                .changes
                .push(Change::Edit(reference(table.into(), id.into()), edits)),
            Err(failure) => {
                self.failure.get_or_insert(failure);
            }
        }
        self
    }

    /// Gives a document a new body; the host works out what really changed.
    ///
    /// ```
    /// let changes = plugin_sdk::Changes::new().replace("users", "u1", [("name", "Ada")]);
    /// ```
    pub fn replace(
        self,
        table: impl Into<String>,
        id: impl Into<String>,
        body: impl Serialize,
    ) -> Self {
        let reference = reference(table.into(), id.into());
        self.push_body(&body, |body| Change::Replace(reference, body))
    }

    /// Takes a document away.
    ///
    /// ```
    /// let changes = plugin_sdk::Changes::new().delete("sessions", "s1");
    /// ```
    pub fn delete(mut self, table: impl Into<String>, id: impl Into<String>) -> Self {
        self.changes
            .push(Change::Delete(reference(table.into(), id.into())));
        self
    }

    /// Whether there is nothing to do.
    ///
    /// ```
    /// assert!(!plugin_sdk::Changes::new().delete("sessions", "s1").is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.failure.is_none()
    }

    /// The changes as the interface's plain data.
    ///
    /// # Errors
    /// `invalid-value`, the first body or value that could not be written as JSON.
    ///
    /// ```
    /// assert!(plugin_sdk::Changes::new().into_model().unwrap().is_empty());
    /// ```
    pub fn into_model(self) -> Result<Vec<Change>, Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.changes),
        }
    }

    fn push_body(mut self, body: &impl Serialize, change: impl FnOnce(String) -> Change) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => self.changes.push(change(body)),
            Err(error) => {
                let message = format!("the document cannot be written as JSON: {error}");
                self.failure
                    .get_or_insert(Failure::new(codes::INVALID_VALUE, message));
            }
        }
        self
    }
}

fn reference(table: String, id: String) -> Reference {
    Reference { table, id }
}
