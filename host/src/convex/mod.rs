//! What Convex writes into its snapshots: ids, the two encodings of values, and where things stand in the archive.
//!
//! Formats as in Convex's open backend (<https://github.com/get-convex/convex-backend>: `crates/value`,
//! `crates/shape_inference`, `crates/exports`), as of 2026. Nothing here reads or writes a file.
//!
//! The host keeps documents in the *current* encoding, which tells every type by itself: `42` is an int64 and `42.0` a
//! float64. The *legacy* encoding needs the table's [`Shape`](shape::Shape) to tell an int64, which it writes as a string, from a string.

pub mod id;
pub mod legacy;
pub mod path;
pub mod shape;

pub use id::{ConvexId, TableNumber};
pub use legacy::{Encoding, Legacy};
pub use path::Entry;
