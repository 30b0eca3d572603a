//! What a run in a test came to.

use std::collections::BTreeMap;

use crate::Level;

/// What a run came to. The counts are those of the host's report:
/// `updated + skipped + failed + deleted = total`.
///
/// ```
/// let report = plugin_sdk::testing::Report::default();
/// assert_eq!(report.total, 0);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Documents that met the filter.
    pub total: usize,
    /// Documents that were changed, or whose changes touched only other documents.
    pub updated: usize,
    /// Documents that were left as they are, on purpose or because nothing changed.
    pub skipped: usize,
    /// Documents that failed, and were left as they are.
    pub failed: usize,
    /// Documents that were added, in any table.
    pub inserted: usize,
    /// Documents of the migration's table that were taken away by their own outcome.
    pub deleted: usize,
    /// How many were skipped for each reason; `unchanged` where the outcome changed nothing.
    pub skip_reasons: BTreeMap<String, usize>,
    /// All failures, in the order of the documents.
    pub errors: Vec<Error>,
    /// What was logged, in the order of the documents.
    pub logs: Vec<(Level, String)>,
    /// Calls of the host for lookups: what prefetching keeps small.
    pub lookups: usize,
}

/// A document that failed.
///
/// ```
/// # use plugin_sdk::prelude::*;
/// # use plugin_sdk::testing::{Run, Store, json};
/// # struct NeedsEmail;
/// # impl Migration for NeedsEmail {
/// #     fn manifest() -> Manifest { Manifest::new("needs-email", "users") }
/// #     fn transform(user: &Document, _: &Context) -> Result<Outcome, Failure> {
/// #         user.require::<String>("/email")?;
/// #         Ok(Outcome::skip("has one"))
/// #     }
/// # }
/// let mut store = Store::new().with("users", [("u1", json!({}))]);
/// let report = Run::new().migrate::<NeedsEmail>(&mut store);
/// let error = &report.errors[0];
/// assert_eq!((&*error.id, &*error.code), ("u1", "missing-field"));
/// assert_eq!(error.at.as_deref(), Some("/email"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The document's table.
    pub table: String,
    /// The document's id.
    pub id: String,
    /// The failure's code.
    pub code: String,
    /// The failure's message.
    pub message: String,
    /// The failure's pointer, where it has one.
    pub at: Option<String>,
}
