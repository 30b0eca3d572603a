//! Errors as a person at the terminal reads them: what happened, and what to do next.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use crate::config::{ConfigError, LogFormat, SecretError};
use crate::engine::RunError;
use crate::engine::pipeline::PipelineError;
use crate::plugin::{CallError, PluginError};
use crate::store::StoreError;
use crate::transfer::TransferError;

use super::consent::by_flags;
use super::logs;
use super::show::safe;

/// Why a command could not do its work.
#[derive(Debug)]
pub struct CommandError {
    message: String,
    hints: Vec<String>,
    /// The lines of a settings file that the last hint is about.
    to_write: String,
    /// Its line breaks are the host's own, and stay. Anybody else's could pass for the host's words.
    in_lines: bool,
    status: u8,
}

impl CommandError {
    /// An error that has been put into words.
    pub fn new(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            hints: Vec::new(),
            to_write: String::new(),
            in_lines: false,
            status: 1,
        }
    }

    /// A command line that asks for what makes no sense.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self {
            status: 2,
            ..Self::new(message)
        }
    }

    /// A condition that does not hold.
    pub(super) fn shut(message: impl fmt::Display) -> Self {
        Self {
            status: 4,
            ..Self::new(message)
        }
    }

    /// Keeps its line breaks, which are the host's own.
    pub(super) fn in_lines(self) -> Self {
        Self {
            in_lines: true,
            ..self
        }
    }

    /// The end of the disk that holds a run's database.
    pub(super) fn disk_full(database: &Path) -> Self {
        Self::new(format!(
            "the disk that holds {} is full; nothing of the transaction in hand was kept",
            database.display()
        ))
        .hint("make room there, and run the same command again: it goes on from where it was")
    }

    /// The exit status of the process: 2 for wrong usage, 4 for a condition that does not hold, else 1.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.status
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what to write into a settings file, below a hint that says so.
    #[must_use]
    pub(super) fn hint_to_write(self, hint: impl Into<String>, lines: String) -> Self {
        Self {
            to_write: lines,
            ..self.hint(hint)
        }
    }

    /// Shows it, in the log's format. Nobody is left to be told if that fails.
    pub(super) fn show(&self) {
        match logs::format() {
            LogFormat::Text => self.print(),
            LogFormat::Json => tracing::error!(hint = self.hint_text(), "{}", self.message),
        }
    }

    fn hint_text(&self) -> Option<String> {
        let mut text = self.hints.join("; ");
        if !self.to_write.is_empty() {
            text = format!("{text}\n{}", self.to_write);
        }
        (!text.is_empty()).then_some(text)
    }

    fn print(&self) {
        let mut stderr = io::stderr().lock();
        let label = |text: &'static str| console::style(text).for_stderr().bold();
        let message = if self.in_lines {
            lines(&self.message).into()
        } else {
            safe(&self.message)
        };
        let _ = writeln!(stderr, "{} {message}", label("error:").red());
        for hint in &self.hints {
            let _ = writeln!(stderr, "{} {}", label("hint:").cyan(), safe(hint));
        }
        for line in self.to_write.lines() {
            let _ = writeln!(stderr, "  {}", safe(line));
        }
    }
}

/// A text made safe, but for its line breaks.
fn lines(text: &str) -> String {
    text.lines()
        .map(|line| safe(line))
        .collect::<Vec<_>>()
        .join("\n")
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

impl From<ConfigError> for CommandError {
    /// The file is the user's, and what is wrong in it is shown with its line.
    fn from(error: ConfigError) -> Self {
        let made = Self::new(&error).in_lines();
        match error {
            ConfigError::NoSource { name, .. } => made.hint(format!(
                "write {name} = {{ file = \"PATH\" }} or {name} = {{ env = \"VARIABLE\" }}; the secret itself does not belong there"
            )),
            ConfigError::NoEnvironment { known, .. } if known.is_empty() => {
                made.hint("the settings file has none; one is a table [env.NAME] with its `store`")
            }
            ConfigError::NoEnvironment { known, .. } => {
                made.hint(format!("the settings file has {}", known.join(", ")))
            }
            ConfigError::Unreadable { .. } | ConfigError::Invalid { .. } => made,
        }
    }
}

impl From<SecretError> for CommandError {
    fn from(error: SecretError) -> Self {
        let made = Self::new(&error);
        match error {
            SecretError::Variable { name, variable, .. } => made.hint(format!(
                "set {variable} in the environment of this command, or say where the secret is: --secret-file {name}=FILE, --secret-stdin {name}, or [secrets] in the settings file"
            )),
            SecretError::Unreadable { .. } | SecretError::Unusable { .. } => made,
        }
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let made = Self::new(&error);
        match error {
            StoreError::Address(address) if address.starts_with("postgres") => {
                made.hint("this version of the host speaks SQLite only: sqlite:PATH")
            }
            StoreError::Address(address) => made.hint(format!(
                "write the kind of store before it: sqlite:{address}"
            )),
            StoreError::Absent { .. } => made.hint(
                "check the path; `host import` makes a new database, the other commands want one that exists",
            ),
            StoreError::Exists { .. } => made.hint("--replace puts the new one in its place, unless both are the same file"),
            StoreError::NotADatabase { .. } => {
                made.hint("check the path; an encrypted database looks like this, too")
            }
            StoreError::Damaged { .. } => made.hint(
                "restore a backup; `sqlite3 FILE 'PRAGMA integrity_check'` tells what is left",
            ),
            StoreError::Locked => made.hint(
                "find the process that keeps a transaction open, or wait longer with --lock-timeout 60s",
            ),
            StoreError::ReadOnly { .. } => {
                made.hint("check who may write the file and its folder; SQLite writes beside the file, too")
            }
            StoreError::Full => made.hint("make room, and run the same command again"),
            StoreError::NoSuchTable { table, known } => {
                let near = known.iter().find(|name| name.eq_ignore_ascii_case(&table));
                match near {
                    Some(near) => made.hint(format!("did you mean `{near}`?")),
                    None if known.is_empty() => made.hint("the store has no tables"),
                    None => made.hint(format!("the store has {}", known.join(", "))),
                }
            }
            StoreError::NewerLedger { .. } => made.hint("use the newer host that wrote it"),
            StoreError::OlderLedger { .. } => made.hint(
                "finish or undo its runs with the build that wrote it, then drop the tables `_host_…`",
            ),
            StoreError::Structure { .. } => made.hint("nothing of it was done"),
            StoreError::Override { .. } => made.hint("mend [tables] in host.toml"),
            StoreError::Unusable { .. }
            | StoreError::TableExists(_)
            | StoreError::Unreadable { .. }
            | StoreError::Beyond(_)
            | StoreError::Backend { .. } => made,
        }
    }
}

impl From<PluginError> for CommandError {
    fn from(error: PluginError) -> Self {
        let made = Self::new(&error);
        match error {
            PluginError::NotWasm { .. } => made.hint("give the component's file, which ends in .wasm"),
            PluginError::MachineCode { .. } => made.hint(
                "give the component itself, from before it was compiled: what machine code does, nobody can check",
            ),
            PluginError::CoreModule { .. } => made.hint(
                "build it as a component: in Rust, --target wasm32-unknown-unknown with the linker wasm-component-ld, as the project that `host new` makes does",
            ),
            PluginError::OtherWorld { .. } => {
                made.hint("a migration exports the interface of wit/migration.wit; `host new` makes one that does")
            }
            PluginError::OtherVersion { .. } => {
                made.hint("build the plugin with the SDK of this host, or get a host that speaks its version")
            }
            PluginError::ForeignImport { .. } => {
                made.hint("build it without what needs these; plugins have no network and no files")
            }
            PluginError::Absent { .. }
            | PluginError::Unreadable { .. }
            | PluginError::TooLarge { .. }
            | PluginError::Invalid { .. }
            | PluginError::CompileLimit(_)
            | PluginError::Compiler(_)
            | PluginError::Oversized { .. }
            | PluginError::Misfit { .. }
            | PluginError::Manifest(_)
            | PluginError::Describe(_)
            | PluginError::Engine(_) => made,
        }
    }
}

impl From<RunError> for CommandError {
    fn from(error: RunError) -> Self {
        if let RunError::Store(error) = error {
            return error.into();
        }
        let made = Self::new(&error);
        match error {
            RunError::Store(_) => made,
            RunError::Contract {
                error: CallError::OutcomeCount { .. } | CallError::Malformed(_),
                ..
            } => made.hint(
                "mend the plugin; no document of this batch was changed",
            ),
            RunError::Contract { .. } => made,
            RunError::NotGranted { missing, .. } => made.hint(by_flags(&missing)),
            RunError::Pipeline(error) => {
                let made = Self::usage(&error);
                match error {
                    PipelineError::Twice(_) => made,
                    PipelineError::OtherTable { .. } => made.hint(
                        "run them one after the other, or name the table that all of them work on with --table",
                    ),
                    PipelineError::Order { .. } => made.hint("give them in the other order"),
                    PipelineError::Looks { .. } => made.hint("run them one after the other"),
                }
            }
            RunError::RevertOfSeveral { run, .. } => {
                made.hint(format!("`host undo {run}` takes it back, from the undo log"))
            }
            RunError::NoSecret { .. } => made,
            RunError::Busy { .. } => made.hint(
                "wait for it with --wait, look at it with `host show`, or end it with `host cancel`",
            ),
            RunError::TakenOver { .. } => made.hint("look at it with `host show`"),
            RunError::Lost | RunError::Undo(_) => made,
            RunError::Undoing { run } => made.hint(format!(
                "finish that first: host undo {run}, with --revert if it was begun so"
            )),
            RunError::Adrift { run, .. } => made
                .hint(format!(
                    "`host undo {run}` takes back what it did; then the same command begins anew"
                ))
                .hint("or begin anew with --restart, which goes over all documents, those that are done included"),
            RunError::Renumbered { .. } => made.hint(
                "begin anew with --restart, which goes over all documents, those that are done included",
            ),
            RunError::Applied { .. } => made.hint("look at it with `host show`"),
            RunError::NoRun(_) => made.hint("`host runs` lists them"),
            RunError::NotUndoable { .. } | RunError::NotRetryable { .. } => made,
            RunError::OtherMigration { .. } => {
                made.hint("give the plugin of the run's migration, or a mended one of the same name")
            }
            RunError::NoRevert { .. } => made.hint(
                "without --revert the host takes the run back by itself, from the undo log; a plugin that has a `revert` is given with --plugin",
            ),
            RunError::Unfinished { .. } => made.hint(
                "go on with the same plugin and parameters, or begin anew with --restart; what the unfinished run changed stays changed",
            ),
        }
    }
}

impl From<TransferError> for CommandError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Store(error) => error.into(),
            TransferError::Input { .. } => Self::new(&error).hint("no document was imported"),
            TransferError::NotEmpty { .. } => Self::new(&error)
                .hint("--append adds to them, --replace takes them away first; no document was imported"),
            TransferError::TooLarge(_) => Self::new(&error).hint(
                "if you trust it, raise the limit with --max-unpacked SIZE; no document was imported",
            ),
            TransferError::SnapshotOfOneTable => {
                Self::usage(error).hint("leave --table out, or choose another --format")
            }
            TransferError::Archive(_) => {
                Self::new(&error).hint("it is no ZIP archive, or a damaged one; no document was imported")
            }
            TransferError::Snapshot(_)
            | TransferError::Folder(_)
            | TransferError::Table { .. }
            | TransferError::Document { .. }
            | TransferError::Io(_) => Self::new(&error),
        }
    }
}
