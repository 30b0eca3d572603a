//! Runs a migration natively under `cargo test`, over tables in memory.
//!
//! The documents take the road that they take in a run: the manifest's filter, batches, the same
//! batch driver with the same prefetching, outcomes applied by the code that the host uses, and a
//! manifest that is enforced. What a test cannot show is what belongs to a store: indexes, columns,
//! keys, concurrent writers.
//!
//! ```
//! use plugin_sdk::prelude::*;
//! use plugin_sdk::testing::{Run, Store, json};
//!
//! struct Link;
//! impl Migration for Link {
//!     fn manifest() -> Manifest {
//!         Manifest::new("link", "people").only_if(at("/site").missing()).reads("sites")
//!     }
//!     fn transform(person: &Document, context: &Context) -> Result<Outcome, Failure> {
//!         let company: String = person.require("/company")?;
//!         match context.find_one("sites", [at("/company").equals(&company)])? {
//!             Some(site) => Ok(Edits::new().set("/site", site.id()).into()),
//!             None => Err(Failure::new("no-site", format!("no site of {company}"))),
//!         }
//!     }
//! }
//!
//! let mut store = Store::new()
//!     .with("sites", [("s1", json!({"company": "c1"}))])
//!     .with("people", [("p1", json!({"company": "c1"})), ("p2", json!({"company": "c2"}))]);
//!
//! let report = Run::new().now(1_700_000_000_000).migrate::<Link>(&mut store);
//!
//! assert_eq!((report.total, report.updated, report.failed), (2, 1, 1));
//! assert_eq!(report.errors[0].id, "p2");
//! assert_eq!(report.lookups, 1); // both documents in one call
//! assert_eq!(store.get("people", "p1").unwrap()["site"], "s1");
//! ```
//!
//! The cases that `host test` tries with the component can be tried natively, too: see [`cases()`].
//!
//! # Panics
//! This is test code: where a test is set up wrongly it panics, which is how a test fails.

mod cases;
mod changes;
mod memory;
mod report;
mod run;
mod store;

pub use cases::{cases, reversible_cases};
pub use report::{Error, Report};
pub use run::Run;
/// Makes a JSON value: `json!({"email": "ada@example.org"})`.
///
/// ```
/// use plugin_sdk::testing::json;
/// assert_eq!(json!({"a": [1, null]})["a"][0], 1);
/// ```
pub use serde_json::json;
pub use store::Store;
