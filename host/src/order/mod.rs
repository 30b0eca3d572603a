//! Migrations in their order: which there are, which of them a store has, and going from there to there.
//!
//! A folder holds the migrations: plugins, and files of steps that change tables and indexes ([`folder`], [`steps`]).
//! [`graph`] puts them in order; [`standing`] tells from the ledger how each of them stands, and [`plan`] compares the
//! two. [`up`] and [`down`] carry plans out.
//!
//! That a migration was applied is never written down apart from what it did. For a plugin its run says so, which
//! the engine finishes in one transaction with its last words; steps are made in one transaction with their record.
//! So whatever dies in between, the next process finds out how far the last one came. One process at a time works
//! in the order ([`claim`]); where two do all the same, the store refuses to begin twice what is done once.

pub mod claim;
pub mod down;
pub mod error;
pub mod folder;
pub mod forget;
pub mod gate;
pub mod graph;
pub mod history;
pub mod mark;
pub mod plan;
pub mod standing;
pub mod steps;
pub mod up;

pub use error::{OrderError, Problem};
pub use folder::{Migration, Work};
pub use plan::{Entry, Plan, Target};
pub use standing::{Standing, State};
