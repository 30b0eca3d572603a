//! Write a data migration: say what becomes of **one** document. Batches, transactions, resuming,
//! concurrent writers, limits, undo and the report are the host's.
//!
//! ```
//! use plugin_sdk::prelude::*;
//! use serde::Deserialize;
//!
//! struct BackfillDisplayNames;
//!
//! #[derive(Deserialize)]
//! struct User {
//!     email: String,
//! }
//!
//! impl Migration for BackfillDisplayNames {
//!     fn manifest() -> Manifest {
//!         Manifest::new("backfill-display-names", "users")
//!             .version(1)
//!             .description("Fills displayName from the part of email before the @")
//!             .only_if(at("/displayName").missing())
//!     }
//!
//!     fn transform(document: &Document, context: &Context) -> Result<Outcome, Failure> {
//!         let user: User = document.parse()?;
//!         let Some((name, _)) = user.email.split_once('@') else {
//!             return Err(Failure::new("no-name", "email has no @").at("/email"));
//!         };
//!         Ok(Edits::new()
//!             .set("/displayName", name)
//!             .set("/updatedAt", context.now())
//!             .into())
//!     }
//! }
//!
//! plugin_sdk::export!(BackfillDisplayNames);
//!
//! // Under `cargo test` it runs natively, over tables in memory:
//! use plugin_sdk::testing::{Run, Store, json};
//!
//! let mut store = Store::new().with("users", [("u1", json!({"email": "ada@example.org"}))]);
//! let report = Run::new().migrate::<BackfillDisplayNames>(&mut store);
//! assert_eq!((report.total, report.updated), (1, 1));
//! assert_eq!(store.get("users", "u1").unwrap()["displayName"], "ada");
//! ```
//!
//! # The parts
//! - [`Migration`]: the trait to implement; [`Revert`] for one that can take its own work back;
//!   [`export!`] and [`export_reversible!`] make a component of it.
//! - [`Manifest`]: what the migration is and all that it may touch; [`at`] makes its conditions.
//! - [`Document`]: what is passed to it. [`Context`]: time, parameters, secrets, ids, log, and
//!   lookups in other tables.
//! - [`Outcome`], [`Edits`], [`Changes`], [`Failure`]: what it answers.
//! - [`testing`]: runs it under `cargo test`.
//!
//! # Lookups are prefetched
//! `context.get("sites", id)?` looks like one query for each document, and costs a handful for a
//! whole batch. How, and what that asks of a transform, is told in [`Migration`].
//!
//! # Panics
//! A panic traps. The host then runs the batch again in halves, until the document that panics is
//! alone, and quarantines it; the message of the panic is logged. [`Failure`] does the same for
//! less: the rest of the batch goes on undisturbed.

// A test fails by panicking.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(any(test, all(target_family = "wasm", not(target_feature = "atomics"))))]
mod allocator;
mod batch;
mod changes;
mod component;
mod condition;
mod context;
mod document;
mod edits;
mod failure;
mod fields;
mod host;
mod lookups;
mod manifest;
mod migration;
mod outcome;
mod position;
pub mod time;
mod value;

#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use changes::Changes;
pub use condition::{At, Condition, Scalar, at};
pub use context::Context;
pub use document::Document;
pub use edits::Edits;
pub use failure::{Failure, codes};
pub use host::Level;
pub use manifest::Manifest;
pub use migration::{Migration, Revert};
pub use outcome::Outcome;
/// JSON text that is passed on without being decoded: see [`Document::raw_at`].
pub use serde_json::value::RawValue;

#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
#[global_allocator]
static ALLOCATOR: allocator::Lists = allocator::Lists::new();

/// What `export!` expands to. Not part of the interface: it changes without notice.
#[doc(hidden)]
pub mod __component {
    pub use crate::component::*;
}

/// What a migration's source needs: `use plugin_sdk::prelude::*;`
///
/// ```
/// use plugin_sdk::prelude::*;
/// let manifest = Manifest::new("drop-nickname", "users").only_if(at("/nickname").present());
/// assert_eq!(manifest.as_model().table, "users");
/// ```
pub mod prelude {
    pub use crate::{
        Changes, Condition, Context, Document, Edits, Failure, Manifest, Migration, Outcome,
        RawValue, Revert, Scalar, at,
    };
}
