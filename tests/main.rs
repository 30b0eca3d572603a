//! End-to-end tests: the real binary, real components, real SQLite files.
//!
//! A test makes a [`common::Lab`], puts a database into it, runs `host` there as a person would, and looks at
//! what is shown and at what the database holds afterwards. The components are built by `cargo xtask plugins`;
//! the guests among them obey their documents (`tests/guests/scripted/src/script.rs`), so that what a plugin
//! answers stands in the test that is about it.

// A test fails by panicking, and its helpers are part of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accidents;
mod api_keys;
mod backup;
mod bad_input;
mod cache;
mod cases;
mod check;
mod commands;
mod common;
mod conformance;
mod convex;
#[cfg(unix)]
mod crash;
mod go;
mod grants;
mod hostile;
mod javascript;
mod javascript_engine;
mod logs;
mod natively;
mod order;
mod packed;
mod pipelines;
mod pushdown;
mod python;
#[cfg(unix)]
mod races;
mod reading;
mod readme;
mod real_data;
mod retry;
mod revert;
mod runs;
mod scaffold;
mod scenarios;
mod secrets;
mod steering;
mod stores;
mod transfer;
mod undo;
