//! A host for data migrations that are WebAssembly components.
//!
//! The binary `host` is a thin shell around this library. [`engine`] runs migrations; it knows
//! [`plugin`], [`store`] and [`ledger`] by what they offer; [`order`] has it run one migration after the other; nobody
//! knows [`cli`]. What happens is told as
//! events of `tracing` ([`engine::journal`]); whoever embeds the host subscribes to them, as the command line does.

pub mod build;
pub mod cli;
pub mod config;
pub mod convex;
pub mod draft;
pub mod engine;
pub mod ledger;
pub mod order;
pub mod plugin;
pub mod scaffold;
pub mod stages;
pub mod store;
pub mod transfer;
