//! `host history`: what happened to a store.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::cli::show::{columns, count, safe, time, write_json};
use crate::cli::show_run;
use crate::cli::tables::Format;
use crate::cli::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::ledger::order::Record;
use crate::ledger::{Run, Stage};
use crate::order::history::{Happened, history};

/// Shows what happened to a store, the newest first: when, how long, by whom, with which bytes, and what came of it.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host history --store sqlite:app.db
  host history --env prod --format json | jq '.[0].by'",
    help_template = HELP
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,

    /// Only of this migration
    #[arg(long, value_name = "NAME")]
    migration: Option<String>,

    /// How to show it
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let store = self.store.open(file, Missing::Refuse)?;
        let mut all = history(store.writer()?.as_mut())?;
        if let Some(name) = &self.migration {
            all.retain(|happened| match happened {
                Happened::Run(run) => run.stage(name).is_some(),
                Happened::Record(record) => record.migration == *name,
            });
        }
        let mut stdout = io::stdout().lock();
        if self.format == Format::Json {
            let values: Vec<_> = all.iter().map(as_json).collect();
            write_json(&mut stdout, &values)?;
            return Ok(Ending::Done);
        }
        let titles = [
            "WHEN",
            "TOOK",
            "MIGRATION",
            "VERSION",
            "WHAT",
            "BY",
            "SHA-256",
            "TOTAL",
            "UPDATED",
            "FAILED",
        ];
        let mut rows = vec![titles.map(str::to_owned).to_vec()];
        rows.extend(all.iter().map(|happened| match happened {
            Happened::Run(run) => run_row(run),
            Happened::Record(record) => record_row(record),
        }));
        stdout.write_all(columns(&rows, &[1, 3, 7, 8, 9]).as_bytes())?;
        Ok(Ending::Done)
    }
}

/// As much of a hash as tells files apart.
fn short(sha256: &str) -> String {
    sha256.chars().take(12).collect()
}

/// Milliseconds as seconds.
fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100)
}

/// Something of each stage, joined as their names are.
fn joined(run: &Run, of: impl Fn(&Stage) -> String) -> String {
    run.stages.iter().map(of).collect::<Vec<_>>().join("+")
}

fn run_row(run: &Run) -> Vec<String> {
    let id = run.id.map_or(0, |id| id.0);
    let what = match run.reverts {
        None => format!("run {id} {}", show_run::state(run)),
        Some(other) => format!("run {id} {}, reverts {other}", show_run::state(run)),
    };
    vec![
        time(run.now),
        seconds(run.pace.worked),
        safe(&run.name()).into_owned(),
        joined(run, |stage| stage.version.to_string()),
        what,
        safe(&run.by).into_owned(),
        joined(run, |stage| short(&stage.plugin.sha256)),
        count(run.counters.total),
        count(run.counters.updated),
        count(run.counters.failed),
    ]
}

fn record_row(record: &Record) -> Vec<String> {
    let what = match &record.why {
        Some(why) => format!("{}: {}", record.event.name(), safe(why)),
        None => record.event.name().to_owned(),
    };
    let mut row = vec![
        time(record.at),
        seconds(record.took),
        safe(&record.migration).into_owned(),
        record.version.to_string(),
        what,
        safe(&record.by).into_owned(),
        short(&record.sha256),
    ];
    row.extend(["-", "-", "-"].map(str::to_owned));
    row
}

fn as_json(happened: &Happened) -> Value {
    match happened {
        Happened::Run(run) => {
            let mut value = show_run::as_json(run);
            if let Value::Object(members) = &mut value {
                members.insert("event".into(), json!("run"));
                if let Some(stage) = run.stages.only() {
                    members.insert("version".into(), json!(stage.version));
                    members.insert("parameters".into(), show_run::parameters(stage));
                    members.insert("path".into(), json!(stage.plugin.path));
                }
                members.insert("worked_ms".into(), json!(run.pace.worked));
            }
            value
        }
        Happened::Record(record) => json!({
            "event": record.event.name(),
            "migration": record.migration,
            "version": record.version,
            "sha256": record.sha256,
            "began": time(record.at),
            "worked_ms": record.took,
            "by": record.by,
            "why": record.why,
        }),
    }
}
