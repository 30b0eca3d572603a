//! What `cargo xtask bench` needs besides the host: the sample that every competitor migrates, the
//! competitors that are written in Rust and SQL, a second process that writes meanwhile, and a stop-watch.
//!
//! The migration is always that of `plugins/backfill-display-names`: `displayName` becomes the part of
//! `email` before the `@`, and `updatedAt` the time of the run.

pub mod check;
pub mod measure;
pub mod peers;
pub mod sample;
pub mod store;
pub mod transform;
pub mod writer;

/// Documents in one transaction, for every competitor: the host's default.
pub const BATCH: u16 = 3000;
