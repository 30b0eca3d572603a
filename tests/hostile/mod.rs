//! Plugins that mean harm: each attacks in one way, and must neither end the host nor take healthy documents down.

mod documents;
pub mod guest;
mod loading;
mod tables;
