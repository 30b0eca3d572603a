//! `host undo`: takes a run back.

use std::io::{self, Write as _};
use std::time::Duration;

use super::job::LedgerJobArguments;
use super::logs;
use super::show::{count, counted, safe, write_json};
use super::tables::Format;
use super::{CommandError, Ending, HELP, Missing, StoreArguments, stop_on_signals};
use crate::config::File;
use crate::engine::forget::{Forgotten, forget, forget_older};
use crate::engine::undo::{UndoReport, undo};
use crate::engine::{RunError, Task};
use crate::ledger::{RunId, RunState};
use crate::order::OrderError;
use crate::order::forget::{Freed, forget as forget_tables};
use crate::store::Store;

/// Takes a run back, newest batch first. What was changed since is left alone, and reported.
///
/// No plugin is needed. The command can be ended, and goes on where it was.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host undo 7 --store sqlite:app.db
  host undo 7 --store sqlite:app.db --revert    by the plugin's own way back
  host undo 7 --store sqlite:app.db --forget    keep what run 7 did, and free its undo log
  host undo --forget --older-than 30d --store sqlite:app.db",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The run's number
    #[arg(required_unless_present = "older_than")]
    run: Option<i64>,

    #[command(flatten)]
    store: StoreArguments,

    /// How to show the report
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,

    /// Takes nothing back: frees the undo log, after which the run cannot be undone
    #[arg(long)]
    forget: bool,

    /// With --forget: of all runs that ended longer ago, such as 30d
    #[arg(long, value_name = "TIME", requires = "forget", conflicts_with = "run", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,

    /// Uses the plugin's own `revert` instead of the undo log
    #[arg(long, conflicts_with = "forget")]
    revert: bool,

    /// Begins anew where an earlier --revert is unfinished
    #[arg(long, requires = "revert", help_heading = "With --revert")]
    restart: bool,

    #[command(flatten, next_help_heading = "With --revert")]
    job: LedgerJobArguments,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        if !self.revert && (!self.job.plugin.is_empty() || self.job.dry_run || self.job.wait) {
            return Err(CommandError::usage(
                "--plugin, --dry-run and --wait go with --revert: the undo log needs no plugin",
            ));
        }
        let store = self.store.open(file, Missing::Refuse)?;
        match (self.run.map(RunId), self.older_than) {
            (None, Some(age)) => {
                let forgotten = forget_older(store.as_ref(), age)?;
                let tables = forget_tables(store.as_ref(), None, Some(age))?;
                if !forgotten.is_empty() || tables.is_empty() {
                    logs::say(&in_words(&forgotten));
                }
                for words in freed_in_words(&tables) {
                    logs::say(&words);
                }
                Ok(Ending::Done)
            }
            (Some(run), _) if self.forget => {
                let forgotten = forget(store.as_ref(), run)?;
                logs::say(&in_words(&[forgotten]));
                Ok(Ending::Done)
            }
            (Some(run), _) if self.revert => revert(
                self.job,
                file,
                (&self.store, store.as_ref()),
                run,
                self.restart,
                self.format,
            ),
            (Some(run), _) => {
                let max_lock = self.job.max_lock(file);
                by_log(store.as_ref(), run, max_lock, self.format, |error| {
                    self.store.error(file, error)
                })
            }
            (None, None) => Err(CommandError::usage("no run was named")),
        }
    }
}

/// Takes a run back by its undo log.
fn by_log(
    store: &dyn Store,
    run: RunId,
    max_lock: Duration,
    format: Format,
    explain: impl FnOnce(RunError) -> CommandError,
) -> Result<Ending, CommandError> {
    let stop = stop_on_signals()?;
    let report = undo(store, run, max_lock, &stop, |_| {}).map_err(explain)?;
    let mut stdout = io::stdout().lock();
    match format {
        Format::Json => {
            write_json(&mut stdout, &report)?;
        }
        Format::Text => write!(stdout, "{}", undone(&report))?,
    }
    Ok(match report.state {
        RunState::Undone if report.left_alone > 0 => Ending::SomeFailed,
        RunState::Undone => Ending::Done,
        _ => Ending::Interrupted,
    })
}

/// Takes a run back by its plugin's own `revert`.
fn revert(
    job: LedgerJobArguments,
    file: &File,
    (address, store): (&StoreArguments, &dyn Store),
    run: RunId,
    restart: bool,
    format: Format,
) -> Result<Ending, CommandError> {
    let mut ledger = store.writer()?;
    let record = ledger.run(run)?.ok_or(RunError::NoRun(run))?;
    if record.undo_forgotten {
        logs::say(&format!(
            "the undo log of run {run} was forgotten, so its documents are not known: going over all of `{}`",
            safe(&record.table)
        ));
    }
    // An unfinished one goes on with the plugin that it was begun with.
    let unfinished = ledger
        .newest_revert(run)?
        .filter(|revert| revert.state.goes_on() && !restart);
    let task = Task::Revert { run, restart };
    let by = unfinished.as_ref().unwrap_or(&record);
    let (report, ending) = job.carry_out(file, (address, store), by, task, |_| Ok(()), format)?;
    let record = ledger.run(run)?.ok_or(RunError::NoRun(run))?;
    if report.state == RunState::Finished && !report.dry_run && record.state == RunState::Undoing {
        logs::say(&format!(
            "documents that run {run} deleted are not there to be given to `revert`; its undo log has them\nNext: host undo {run} brings them back."
        ));
        return Ok(Ending::SomeFailed);
    }
    Ok(ending)
}

/// Which undo logs were freed.
pub(super) fn in_words(forgotten: &[Forgotten]) -> String {
    let batches = |number: u64| match number {
        1 => "1 batch".into(),
        number => format!("{} batches", count(number)),
    };
    match forgotten {
        [] => "no undo log was old enough to be forgotten".into(),
        [one] => format!(
            "forgot how to undo run {} ({} of its undo log)",
            one.run,
            batches(one.batches)
        ),
        several => {
            let runs: Vec<_> = several.iter().map(|one| one.run.to_string()).collect();
            format!(
                "forgot how to undo runs {} ({} of their undo logs)",
                runs.join(", "),
                batches(several.iter().map(|one| one.batches).sum())
            )
        }
    }
}

/// Which dropped tables were freed.
pub(super) fn freed_in_words(freed: &[Freed]) -> Vec<String> {
    freed
        .iter()
        .map(|freed| {
            format!(
                "forgot how to take {} back ({} that it had dropped)",
                safe(&freed.migration),
                counted(freed.documents, "document")
            )
        })
        .collect()
}

/// Frees old undo logs and dropped tables. What was to be done is done: if this fails, the next command does it.
pub(super) fn free_old(store: &dyn Store, age: Duration) {
    let freed = forget_older(store, age)
        .map_err(OrderError::from)
        .and_then(|runs| Ok((runs, forget_tables(store, None, Some(age))?)));
    match freed {
        Ok((runs, tables)) => {
            let older = humantime::format_duration(age);
            let runs = (!runs.is_empty()).then(|| in_words(&runs));
            for words in runs.into_iter().chain(freed_in_words(&tables)) {
                logs::say(&format!("{words}, older than {older}"));
            }
        }
        Err(error) => {
            tracing::warn!(%error, "old undo logs could not be freed; the next run tries again")
        }
    }
}

pub(super) fn undone(report: &UndoReport) -> String {
    let mut text = format!(
        "run {} {}: {} taken back\n",
        report.run,
        report.state.name(),
        counted(report.restored, "change")
    );
    if report.left_alone > 0 {
        text.push_str(&format!(
            "{} left alone:\n",
            counted(report.left_alone, "change")
        ));
        for error in &report.errors {
            text.push_str(&format!(
                "  {} {}: {} ({})\n",
                safe(&error.table),
                safe(&error.id),
                safe(&error.message),
                safe(&error.code)
            ));
        }
    }
    if report.state == RunState::Undoing {
        text.push_str("Next: the same command goes on from here.\n");
    }
    text
}
