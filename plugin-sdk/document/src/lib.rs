//! What a migration says, and what it means: the values of the interface `migration:plugin`,
//! and how they apply to JSON text.
//!
//! The host and the SDK's test helpers share this crate, so that a migration behaves under
//! `cargo test` as it does in a run. It works on JSON *text*: a byte that no [`Edit`] names stays
//! what it was, which no parse-and-print through a tree of values could promise (`1.0`, `6.10`,
//! 2^63, `\u0041`, the order of keys, white space).
//!
//! - [`model`]: manifest, outcome, edit, change, condition, as plain data.
//! - [`json`]: where in a text a pointer leads; whether a text is JSON at all.
//! - [`mod@edit`]: applying edits to a body.
//! - [`mod@diff`]: finding the edits that lead from one body to another.
//! - [`filter`]: whether a body meets conditions.
//! - [`id`]: the ids that the host makes for new documents.
//! - [`packed`]: a batch in one piece, to cross into the sandbox and out of it.
//! - [`case`]: what is to become of documents, as authors write it down.
#![warn(missing_docs)]

pub mod case;
pub mod diff;
pub mod edit;
pub mod filter;
pub mod id;
pub mod json;
pub mod model;
mod number;
pub mod packed;
#[cfg(test)]
mod sample;

pub use diff::diff;
pub use edit::{Allowance, EditError, apply, apply_within};
pub use filter::{ConditionError, Filter};
pub use json::JsonError;
pub use model::{Change, Condition, Edit, Failure, Insertion, Manifest, Outcome, Reference, Test};
