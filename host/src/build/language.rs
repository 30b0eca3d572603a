//! The languages that a plugin can be written in, and what the host has to know of each.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::js::Js;
use super::project::{Engine, Project};
use super::workshop::Workshop;
use super::{BuildError, c, go, python, rust, zig};

/// The languages that there are templates for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust
    #[default]
    Rust,
    /// JavaScript
    Js,
    /// TypeScript
    Ts,
    /// Python
    Python,
    /// Go
    Go,
    /// C
    C,
    /// C++
    Cpp,
    /// Zig
    Zig,
}

impl Language {
    /// How its projects are made and built.
    #[must_use]
    pub fn recipe(self) -> &'static dyn Recipe {
        match self {
            Self::Rust => &rust::Rust,
            Self::Js => &Js::JavaScript,
            Self::Ts => &Js::TypeScript,
            Self::Python => &python::Python,
            Self::Go => &go::Go,
            Self::C => &c::C,
            Self::Cpp => &c::Cpp,
            Self::Zig => &zig::Zig,
        }
    }
}

/// What the host has to know of a language.
pub trait Recipe: Sync {
    /// The folders in `plugin-sdk/templates` that a new project is made of; a later one's file replaces an
    /// earlier one's.
    fn templates(&self) -> &'static [&'static str];

    /// The files and folders in `plugin-sdk` that are its SDK. They go to `sdk/plugin-sdk` in a new project.
    fn sdk(&self) -> &'static [&'static str];

    /// The command that runs a new project's own tests, natively.
    fn tests(&self) -> &'static str;

    /// The tools that are installed for a project, with the versions that are taken where `[tools]` in its
    /// `plugin.toml` names no others.
    fn tools(&self) -> &'static [Tool] {
        &[]
    }

    /// The engines that it can run on, the default first.
    fn engines(&self) -> &'static [Engine] {
        &[]
    }

    /// Builds a project with the language's own tools, and returns the component's bytes.
    ///
    /// # Errors
    /// If a tool is missing, or one fails.
    fn build(&self, project: &Project, workshop: &Workshop<'_>) -> Result<Vec<u8>, BuildError>;
}

/// A package of tools, from a registry.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its name in the registry.
    pub name: &'static str,
    /// The version that is taken by default.
    pub version: &'static str,
    /// That version and all that it needs, with the SHA-256 of every file that may be installed, as
    /// `pip install --require-hashes` reads it.
    pub hashes: &'static str,
}

impl Tool {
    /// The version that a project pins, else the default.
    #[must_use]
    pub fn pinned<'p>(&self, pins: &'p BTreeMap<String, String>) -> &'p str
    where
        'static: 'p,
    {
        pins.get(self.name).map_or(self.version, String::as_str)
    }
}
