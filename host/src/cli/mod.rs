//! The command line: one file for each subcommand, and how results are shown.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};

mod backup;
mod bar;
mod build;
mod cache;
mod check;
mod compiler;
mod completions;
mod consent;
mod error;
mod export;
mod figures;
mod import;
mod inspect;
mod job;
mod logs;
mod new;
mod order;
mod pace;
mod parameters;
mod progress;
mod quarantine;
mod retry;
mod run;
mod runs;
mod screen;
mod secrets;
mod show;
mod show_run;
mod steer;
mod summary;
mod tables;
mod test;
mod undo;

pub use error::CommandError;

use self::logs::LogArguments;
use crate::config::{Environment, File, LOCK_TIMEOUT};
use crate::engine::RunError;
use crate::ledger::Request;
use crate::store::sqlite::SqliteStore;
use crate::store::{Address, Store, StoreError};

/// How a command that did its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All documents were handled.
    Done,
    /// It was told to end before its work was done; the same command goes on.
    Interrupted,
    /// It finished, and some documents failed.
    SomeFailed,
    /// A condition that was to be looked at does not hold.
    Shut,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::SUCCESS,
            Ending::Interrupted => Self::from(1),
            Ending::SomeFailed => Self::from(3),
            Ending::Shut => Self::from(4),
        }
    }
}

/// Help begins with examples: they are what most people look for.
const HELP: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

#[derive(Debug, Parser)]
#[command(
    name = "host",
    version,
    about = "Runs data migrations that are WebAssembly components over live databases, safely",
    before_help = "Examples:
  host inspect plugin.wasm                               what it is, and what it wants
  host run plugin.wasm --store sqlite:app.db --dry-run   what it would do
  host run plugin.wasm --store sqlite:app.db             do it
  host check plugin.wasm --store sqlite:app.db           does it keep what a migration promises?
  host import --store sqlite:app.db --table users users.jsonl --key _id
  host undo 7 --store sqlite:app.db                      take run 7 back
  host up --env prod                                     apply all that is pending
  host new my-migration --lang rust                      write one
  host build my-migration                                and build it
  host test plugin.wasm cases.jsonl                      try it without a database",
    after_help = "Exit status:
  0  all documents handled
  1  the command could not do its work
  2  wrong usage
  3  finished, some documents failed, or do not do what they should
  4  a condition does not hold: host verify, --require",
    help_template = HELP,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Arguments {
    /// Settings file [default: host.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "HOST_CONFIG")]
    config: Option<PathBuf>,

    #[command(flatten)]
    logs: LogArguments,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Arguments>),
    Check(Box<check::Arguments>),
    Inspect(Box<inspect::Arguments>),
    Runs(runs::Arguments),
    Show(show_run::Arguments),
    /// Lets a run wait after the batch in hand
    Pause(steer::Arguments),
    /// Lets a paused run go on
    Resume(steer::Arguments),
    /// Ends a run for good after the batch in hand
    Cancel(steer::Arguments),
    Quarantine(quarantine::Arguments),
    Retry(Box<retry::Arguments>),
    Undo(Box<undo::Arguments>),
    Plan(Box<order::plan::Arguments>),
    Up(Box<order::up::Arguments>),
    Down(Box<order::down::Arguments>),
    Status(Box<order::status::Arguments>),
    History(order::history::Arguments),
    Verify(Box<order::verify::Arguments>),
    Baseline(Box<order::baseline::Arguments>),
    Repair(Box<order::repair::Arguments>),
    Tables(tables::Arguments),
    Import(import::Arguments),
    Export(export::Arguments),
    Backup(backup::Arguments),
    Restore(backup::RestoreArguments),
    New(new::Arguments),
    Build(build::Arguments),
    Test(Box<test::Arguments>),
    Completions(completions::Arguments),
}

/// Which store, and how to wait for it.
#[derive(Debug, clap::Args)]
struct StoreArguments {
    /// The store's address, such as sqlite:app.db
    #[arg(long, value_name = "URL", env = "HOST_STORE")]
    store: Option<String>,

    /// The environment in host.toml whose store it is, such as prod
    #[arg(long, value_name = "NAME", env = "HOST_ENV")]
    env: Option<String>,

    /// How long to wait for another process's lock, such as 5s or 200ms [default: 10s]
    #[arg(long, value_name = "TIME", env = "HOST_LOCK_TIMEOUT", value_parser = humantime::parse_duration)]
    lock_timeout: Option<Duration>,
}

/// Whether a store that is not there is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Refuse,
    Make,
}

impl StoreArguments {
    /// The environment that was named.
    fn environment<'f>(&self, file: &'f File) -> Result<Option<&'f Environment>, CommandError> {
        let named = self.env.as_deref();
        Ok(named.map(|name| file.environment(name)).transpose()?)
    }

    fn address(&self, file: &File) -> Result<Address, CommandError> {
        // Which of the two was meant is nothing to guess at.
        if let (Some(env), Some(store)) = (&self.env, &self.store) {
            return Err(CommandError::usage(format!(
                "two stores are named: {store}, and that of environment `{env}`"
            ))
            .hint("leave out --store or --env; HOST_STORE and HOST_ENV count as well"));
        }
        let environment = self.environment(file)?;
        let address = environment
            .map(|environment| &environment.store)
            .or(self.store.as_ref())
            .or(file.store.as_ref())
            .ok_or_else(|| {
                CommandError::usage("no store was named").hint(
                    "name it with --store sqlite:app.db, with HOST_STORE, or with `store` in host.toml; or an environment of host.toml with --env",
                )
            })?;
        Ok(address.parse()?)
    }

    /// Puts what ended a run into words, and names the database where they are about its disk.
    fn error(&self, file: &File, error: impl Into<RunError>) -> CommandError {
        match (error.into(), self.address(file)) {
            (RunError::Store(StoreError::Full), Ok(Address::Sqlite(path))) => {
                CommandError::disk_full(&path)
            }
            (error, _) => error.into(),
        }
    }

    fn timeout(&self, file: &File) -> Duration {
        self.lock_timeout
            .or(file.lock_timeout)
            .unwrap_or(LOCK_TIMEOUT)
    }

    fn open(&self, file: &File, missing: Missing) -> Result<Box<dyn Store>, CommandError> {
        let address = self.address(file)?;
        self.open_at(file, &address, missing)
            .map_err(|error| self.error(file, error))
    }

    /// Opens the store at another address than these arguments name.
    fn at(&self, file: &File, address: &str) -> Result<Box<dyn Store>, CommandError> {
        Ok(self.open_at(file, &address.parse()?, Missing::Refuse)?)
    }

    fn open_at(
        &self,
        file: &File,
        Address::Sqlite(path): &Address,
        missing: Missing,
    ) -> Result<Box<dyn Store>, StoreError> {
        let timeout = self.timeout(file);
        let tables = file.tables.clone();
        Ok(Box::new(match missing {
            Missing::Refuse => SqliteStore::open(path, timeout, tables)?,
            Missing::Make => SqliteStore::open_or_create(path, timeout, tables)?,
        }))
    }
}

/// Runs a command line, shows what it comes to, and returns the exit status of the process.
///
/// Whoever has a command line of their own calls this first, with all of it: the host starts the program once
/// more to compile plugins.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    if compiler::is_called_to_compile(&arguments) {
        return crate::plugin::compile::serve();
    }
    match run(arguments) {
        Ok(status) => status,
        Err(error) => {
            error.show();
            ExitCode::from(error.status())
        }
    }
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<ExitCode, CommandError> {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to standard output and is no error; clap knows which is which.
            error.print()?;
            return Ok(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)));
        }
    };
    let file = File::read(arguments.config.as_deref());
    // Where the file cannot be read, only the commands that need it fail.
    let default = File::default();
    arguments.logs.install(file.as_ref().unwrap_or(&default))?;
    let ending = match arguments.command {
        Command::Run(arguments) => arguments.run(&file?)?,
        Command::Check(arguments) => arguments.run(&file?)?,
        Command::Inspect(arguments) => arguments.run(&file?)?,
        Command::Runs(arguments) => arguments.run(&file?)?,
        Command::Show(arguments) => arguments.run(&file?)?,
        Command::Pause(arguments) => arguments.run(&file?, Some(Request::Pause))?,
        Command::Resume(arguments) => arguments.run(&file?, None)?,
        Command::Cancel(arguments) => arguments.run(&file?, Some(Request::Cancel))?,
        Command::Quarantine(arguments) => arguments.run(&file?)?,
        Command::Retry(arguments) => arguments.run(&file?)?,
        Command::Undo(arguments) => arguments.run(&file?)?,
        Command::Plan(arguments) => arguments.run(&file?)?,
        Command::Up(arguments) => arguments.run(&file?)?,
        Command::Down(arguments) => arguments.run(&file?)?,
        Command::Status(arguments) => arguments.run(&file?)?,
        Command::History(arguments) => arguments.run(&file?)?,
        Command::Verify(arguments) => arguments.run(&file?)?,
        Command::Baseline(arguments) => arguments.run(&file?)?,
        Command::Repair(arguments) => arguments.run(&file?)?,
        Command::Tables(arguments) => arguments.run(&file?)?,
        Command::Import(arguments) => arguments.run(&file?)?,
        Command::Export(arguments) => arguments.run(&file?)?,
        Command::Backup(arguments) => arguments.run(&file?)?,
        Command::Restore(arguments) => arguments.run(&file?)?,
        Command::New(arguments) => arguments.run()?,
        Command::Build(arguments) => arguments.run(&file?)?,
        Command::Test(arguments) => arguments.run(&file?)?,
        Command::Completions(arguments) => arguments.run(&mut Arguments::command())?,
    };
    Ok(ending.into())
}

/// The first Ctrl-C or SIGTERM ends the run after the batch in hand, the second one at once.
fn stop_on_signals() -> Result<Arc<AtomicBool>, CommandError> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            // A transaction in hand is taken back by the store when it is opened next.
            std::process::exit(130);
        }
        tracing::warn!("ending after the batch in hand; once more ends at once");
    })
    .map_err(|error| CommandError::new(format!("signals cannot be caught: {error}")))?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
