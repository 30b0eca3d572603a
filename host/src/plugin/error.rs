//! What can be wrong with a plugin.

use std::path::PathBuf;

use migration_document::packed::UnpackError;
use thiserror::Error;

use super::limits::Limit;
use super::secrets::Clean;

/// Why a plugin cannot be run at all.
#[derive(Debug, Error)]
pub enum PluginError {
    /// There is no such file.
    #[error("there is no plugin at {}", path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is larger than a plugin may be.
    #[error("the plugin has {found} bytes, and {limit}")]
    TooLarge {
        /// Its size.
        found: u64,
        /// The limit.
        limit: Limit,
    },
    /// The file does not begin as Wasm does.
    #[error("{} is not WebAssembly", path.display())]
    NotWasm {
        /// The file.
        path: PathBuf,
    },
    /// Machine code, which nobody can check.
    #[error("{} is machine code, not WebAssembly", path.display())]
    MachineCode {
        /// The file.
        path: PathBuf,
    },
    /// A core module: no component.
    #[error("{} is a core WebAssembly module, not a component", path.display())]
    CoreModule {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are no valid component.
    #[error("{} is no valid component: {detail}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What the validator says.
        detail: String,
    },
    /// Compiling it takes more than it may.
    #[error("the plugin takes more to compile than it may: {0}")]
    CompileLimit(Limit),
    /// The compiler did not do its work.
    #[error("the plugin was not compiled, for the compiler failed: {0}")]
    Compiler(String),
    /// A sound component, of which no instance can be made: the pool of instances has no place that large.
    #[error("{} asks for more than an instance can have: {detail}", path.display())]
    Oversized {
        /// The file.
        path: PathBuf,
        /// What is too large.
        detail: String,
    },
    /// A component made for something else.
    #[error("{} is a component, but no migration: it does not export `migration:plugin/transform`; {}", path.display(), exports(found))]
    OtherWorld {
        /// The file.
        path: PathBuf,
        /// What it exports.
        found: Vec<String>,
    },
    /// Made for a version of the interface that this host does not speak.
    #[error("{} was made for interface version {found}, and this host speaks {spoken}", path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// The version that it needs.
        found: String,
        /// The versions that this host speaks.
        spoken: &'static str,
    },
    /// It imports what no plugin can have.
    #[error("{} imports what no plugin is given: {}", path.display(), names.join(", "))]
    ForeignImport {
        /// The file.
        path: PathBuf,
        /// The imports.
        names: Vec<String>,
    },
    /// Its functions have other types than the interface says.
    #[error("{} does not fit the interface: {detail}", path.display())]
    Misfit {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// What it says of itself cannot be used.
    #[error("the plugin's manifest cannot be used: {0}")]
    Manifest(String),
    /// It did not even tell what it is.
    #[error("the plugin failed when asked for its manifest: {0}")]
    Describe(CallError),
    /// The sandbox could not be set up.
    #[error("the sandbox could not be set up: {0}")]
    Engine(String),
}

fn exports(found: &[String]) -> String {
    if found.is_empty() {
        "it exports nothing".into()
    } else {
        format!("it exports {}", found.join(", "))
    }
}

/// Why a call into a plugin brought no outcomes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The plugin stopped in the middle. One of the documents of the call is to blame.
    #[error("the plugin trapped: {0}")]
    Trap(Clean),
    /// The plugin used more than it may. One of the documents of the call is to blame.
    #[error("the plugin used more than it may: {0}")]
    Limit(Limit),
    /// The plugin took longer than it may. One of the documents of the call is to blame, or all of them.
    #[error("the plugin took longer than it may: {0}")]
    Time(Limit),
    /// The plugin broke its contract; no document is to blame.
    #[error("what the plugin returned in one piece is no list of outcomes: {0}")]
    Malformed(UnpackError),
    /// The plugin broke its contract; no document is to blame.
    #[error(
        "the plugin returned {found} outcomes for {expected} documents; it must return one for each"
    )]
    OutcomeCount {
        /// How many documents it was given.
        expected: usize,
        /// How many outcomes came back.
        found: usize,
    },
}
