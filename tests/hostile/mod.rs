//! Plugins that mean harm: each attacks in one way, and must neither end the host nor take healthy documents down.

mod bounds;
mod compiling;
mod documents;
pub mod guest;
mod loading;
mod mutants;
mod packed;
mod resources;
mod secrecy;
mod tables;
