//! What `host build` and `cargo xtask` share: running other programs, and finding the Rust compiler for
//! WebAssembly.
//!
//! It depends on nothing, since xtask is the first thing that a newcomer waits for.

pub mod rust;
pub mod shell;
