//! `host check`: whether a migration keeps what one promises, on the documents of a store.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

use super::cache::CacheArguments;
use super::consent::GrantArguments;
use super::figures;
use super::job::{secrets_of, stages};
use super::pace::at_least_one;
use super::parameters::ParameterArguments;
use super::progress::{Description, Watcher};
use super::secrets::SecretArguments;
use super::show::{count, safe, short, write_json};
use super::summary::counts;
use super::tables::Format;
use super::{CommandError, Ending, HELP, Missing, StoreArguments, stop_on_signals};
use crate::config::File;
use crate::engine::trial::check::{BATCH_SIZE, Part, check};
use crate::engine::trial::report::{Checked, Finding, Held, Property};
use crate::engine::{Job, Migrate, Pace, Report, Sample, Task};
use crate::ledger::RunState;
use crate::plugin::gauge::Unit;
use crate::plugin::{LimitSettings, Secrets};
use crate::stages::Stages;

/// How many codes of failures are shown.
const SHOWN: usize = 10;

/// Checks that a migration is deterministic, idempotent and reversible on a store's documents, and writes nothing
///
/// Every document is transformed twice, in batches of other sizes and with other neighbours; the migration is applied to
/// its own result, which should rest; and what it made is given to its `revert`, if it has one, which should give
/// back what was. It tells which documents break what, what the plugin costs, and how near it came to each limit.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host check plugin.wasm --store sqlite:app.db                 all documents
  host check plugin.wasm --store sqlite:app.db --sample 1000   about a thousand of them
  host check plugin.wasm --store sqlite:app.db --sample 1% --format json | jq .properties",
    after_help = "Exit status:
  0  all holds
  1  the command could not do its work, or was ended before it was done
  2  wrong usage
  3  something does not hold, or documents fail",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The plugin, a WebAssembly component
    plugin: PathBuf,

    #[command(flatten)]
    store: StoreArguments,

    /// The table to go over, instead of the one that the plugin names
    #[arg(long, value_name = "TABLE", env = "HOST_TABLE")]
    table: Option<String>,

    #[command(flatten)]
    parameters: ParameterArguments,

    #[command(flatten)]
    grants: GrantArguments,

    #[command(flatten)]
    secrets: SecretArguments,

    /// Only a fixed part of the documents, such as 1%, or about so many of them
    #[arg(long, value_name = "PERCENT|N")]
    sample: Option<Wanted>,

    /// Documents in a batch
    #[arg(long, value_name = "N", env = "HOST_BATCH_SIZE", value_parser = at_least_one, default_value_t = BATCH_SIZE)]
    batch_size: usize,

    /// How to show what was found; progress goes to standard error
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,

    #[command(flatten)]
    cache: CacheArguments,

    #[command(flatten)]
    limits: LimitSettings,
}

/// Which documents are wanted.
#[derive(Debug, Clone, Copy)]
struct Wanted(Part);

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(number) = text.parse() {
            return Ok(Self(Part::About(number)));
        }
        match text.parse::<Sample>() {
            Ok(share) => Ok(Self(Part::Share(Some(share)))),
            Err(error) => Err(format!("{error}, or a number of documents")),
        }
    }
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let plugins = Stages::one(self.cache.load(&self.plugin, &self.limits, file)?);
        let store = self.store.open(file, Missing::Refuse)?;
        let stages = stages(&plugins, self.parameters, &self.grants, file)?;
        let secrets = self.secrets.read(secrets_of(&plugins), file)?;
        let stop = stop_on_signals()?;
        let job = Job {
            store: store.as_ref(),
            stages,
            task: Task::Migrate(Migrate {
                table: self.table,
                restart: false,
                once: false,
            }),
            secrets: &secrets,
            dry_run: true,
            wait: false,
            pace: Pace {
                batch_size: self.batch_size,
                ..Pace::default()
            },
            stop: &stop,
        };
        let part = self.sample.map_or(Part::Share(None), |Wanted(part)| part);
        let mut watcher = Watcher::new(&secrets);
        let checked = check(&job, part, &mut watcher);
        watcher.finish();
        let checked = checked.map_err(|error| self.store.error(file, error))?;
        let mut stdout = io::stdout().lock();
        match self.format {
            Format::Json => write_json(&mut stdout, &Shown::of(&checked))?,
            Format::Text => stdout.write_all(text(&checked, &secrets).as_bytes())?,
        }
        Ok(match checked.report.state {
            RunState::Interrupted => Ending::Interrupted,
            _ if checked.holds() && checked.report.counters.failed == 0 => Ending::Done,
            _ => Ending::SomeFailed,
        })
    }
}

/// What was found, for scripts.
#[derive(Serialize)]
struct Shown<'c> {
    #[serde(flatten)]
    report: &'c Report,
    failures: &'c BTreeMap<String, u64>,
    properties: &'c [Held],
    findings: &'c [Finding],
    limits: Value,
    document_nanoseconds: u64,
}

impl<'c> Shown<'c> {
    fn of(checked: &'c Checked) -> Self {
        Self {
            report: &checked.report,
            failures: &checked.failures,
            properties: &checked.properties,
            findings: &checked.findings,
            limits: figures::json(&checked.limits),
            document_nanoseconds: per_document(checked),
        }
    }
}

fn per_document(checked: &Checked) -> u64 {
    u64::try_from(checked.per_document.as_nanos()).unwrap_or(u64::MAX)
}

/// What was found, in words.
fn text(checked: &Checked, secrets: &Secrets) -> String {
    let report = &checked.report;
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    line(format!(
        "{} over `{}`: check {} in {:.1} s",
        safe(&report.migration),
        safe(&report.table),
        report.state.name(),
        report.seconds
    ));
    counts(report, "met the filter", &mut line);
    if checked.failures.len() > 1 {
        line("Failures by code:".into());
        let mut codes: Vec<_> = checked.failures.iter().collect();
        codes.sort_by(|one, other| other.1.cmp(one.1));
        for (code, number) in codes.iter().take(SHOWN) {
            line(format!(
                "{:>12} {}",
                count(**number),
                safe(&short(code, 200))
            ));
        }
        if let Some(more) = codes.len().checked_sub(SHOWN + 1) {
            line(format!("{:>12} more codes", count(more as u64 + 1)));
        }
    }
    for held in &checked.properties {
        line(property(held));
    }
    if !checked.findings.is_empty() {
        line("First documents that break it:".into());
    }
    for finding in &checked.findings {
        line(format!(
            "  {} {}: not {}: {}",
            safe(&finding.table),
            safe(&finding.id),
            finding.property.name(),
            safe(&short(&finding.problem, 1_000))
        ));
        for change in &finding.changes {
            for part in Description(secrets).of(&change.lend()).lines() {
                line(format!("    {part}"));
            }
        }
    }
    line(format!(
        "The plugin took {} a document.",
        figures::amount(Unit::Nanoseconds, per_document(checked))
    ));
    line(figures::table(&checked.limits).trim_end().to_owned());
    line("Nothing was written.".into());
    text
}

fn property(held: &Held) -> String {
    let of = count(held.checked);
    let found = match (held.checked, held.broken) {
        (0, 0) if held.property == Property::Deterministic => "not seen: no document".to_owned(),
        (0, 0) => "not seen: no document changed".to_owned(),
        (_, 0) => format!("yes, of {of} checked"),
        (_, broken) => format!("NO: {} of {of} checked", count(broken)),
    };
    format!("{:<14} {found}", held.property.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_share_or_a_number() {
        let read = |text: &str| text.parse::<Wanted>().map(|Wanted(part)| part);
        assert_eq!(read("1000"), Ok(Part::About(1_000)));
        assert_eq!(read("1%"), Ok(Part::Share(Some("1%".parse().unwrap()))));
        assert!(read("some").is_err());
        assert!(read("101%").is_err());
    }
}
