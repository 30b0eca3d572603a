//! `host undo`: takes a run back.

use std::io::{self, Write as _};

use super::logs;
use super::show::{count, counted, safe};
use super::tables::Format;
use super::{CommandError, Ending, HELP, Missing, StoreArguments, stop_on_signals};
use crate::config::File;
use crate::engine::undo::{UndoReport, forget, undo};
use crate::ledger::{RunId, RunState};

/// Takes a run back, newest batch first. What was changed since is left alone, and reported.
///
/// No plugin is needed. The command can be ended, and goes on where it was.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host undo 7 --store sqlite:app.db
  host undo 7 --store sqlite:app.db --forget    keep what run 7 did, and free its undo log",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The run's number
    run: i64,

    #[command(flatten)]
    store: StoreArguments,

    /// Takes nothing back: frees the undo log, after which the run cannot be undone
    #[arg(long)]
    forget: bool,

    /// How to show the report
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let store = self.store.open(file, Missing::Refuse)?;
        let run = RunId(self.run);
        if self.forget {
            let batches = forget(store.as_ref(), run)?;
            logs::say(&format!(
                "forgot how to undo run {run} ({} of its undo log)",
                if batches == 1 {
                    "1 batch".into()
                } else {
                    format!("{} batches", count(batches))
                }
            ));
            return Ok(Ending::Done);
        }
        let stop = stop_on_signals()?;
        let report = undo(store.as_ref(), run, &stop, |_| {})?;
        let mut stdout = io::stdout().lock();
        match self.format {
            Format::Json => {
                serde_json::to_writer(&mut stdout, &report).map_err(io::Error::from)?;
                writeln!(stdout)?;
            }
            Format::Text => write!(stdout, "{}", in_words(&report))?,
        }
        Ok(match report.state {
            RunState::Undone if report.left_alone > 0 => Ending::SomeFailed,
            RunState::Undone => Ending::Done,
            _ => Ending::Interrupted,
        })
    }
}

fn in_words(report: &UndoReport) -> String {
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
