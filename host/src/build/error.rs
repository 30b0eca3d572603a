//! What can be wrong with a plugin project, or with the tools that build it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toolbox::shell;

/// Why there is no component of a project.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The folder has no project file.
    #[error("{} is no plugin project: it has no plugin.toml", folder.display())]
    NoProject {
        /// The folder.
        folder: PathBuf,
    },
    /// The project file says what it may not say.
    #[error("{} cannot be used: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and at which line.
        source: Box<toml::de::Error>,
    },
    /// A setting of the project file makes no sense with the others.
    #[error("{} cannot be used: line {line}: {message}", path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// The line of the setting, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A program is not there.
    #[error("{tool} is missing")]
    Missing {
        /// What is missing.
        tool: String,
        /// How to get it.
        get: String,
    },
    /// A tool did not do its work: what it wrote tells why.
    #[error(transparent)]
    Step(#[from] shell::Error),
    /// The project's code is not what its compiler takes: what that wrote tells why.
    #[error("the project cannot be built:\n{0}")]
    Code(String),
    /// What the tools made is no component, nor can one be made of it.
    #[error("no component can be made of it: {0}")]
    Component(String),
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl BuildError {
    /// Names the file that an error of the system is about.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
