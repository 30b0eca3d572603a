//! `host status`: where a store stands.

use std::io::{self, Write as _};

use serde_json::json;

use super::FolderArguments;
use super::show::{entry, state};
use crate::cli::show::{columns, count, time, write_json};
use crate::cli::tables::Format;
use crate::cli::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::order::standing::By;
use crate::order::{Entry, Plan, State};

/// Shows where a store stands: schema version, and which migrations are applied, pending or unfinished.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host status --store sqlite:app.db
  host status --env prod --format json | jq .version",
    help_template = HELP
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,

    /// How to show it
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,

    #[command(flatten)]
    folder: FolderArguments,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let store = self.store.open(file, Missing::Refuse)?;
        let migrations = self.folder.read_if_there(file)?;
        let plan = self
            .store
            .compare(file, migrations, store.writer()?.as_mut())?;
        let mut stdout = io::stdout().lock();
        match self.format {
            Format::Json => {
                let names = |wanted: &[State]| -> Vec<&str> {
                    plan.entries
                        .iter()
                        .filter(|entry| wanted.contains(&entry.standing.state))
                        .map(|entry| entry.name.as_str())
                        .collect()
                };
                write_json(
                    &mut stdout,
                    &json!({
                        "version": plan.version(),
                        "applied": names(&[State::Applied]),
                        "pending": names(&[State::Pending]),
                        "unfinished": names(&[State::Unfinished, State::Running, State::Undoing]),
                        "failures_left": names(&[State::FailuresLeft]),
                        "migrations": plan.entries.iter().map(entry).collect::<Vec<_>>(),
                    }),
                )?;
            }
            Format::Text => stdout.write_all(as_text(&plan).as_bytes())?,
        }
        Ok(Ending::Done)
    }
}

fn as_text(plan: &Plan) -> String {
    let number = |wanted: &[State]| {
        let found = plan
            .entries
            .iter()
            .filter(|entry| wanted.contains(&entry.standing.state));
        count(u64::try_from(found.count()).unwrap_or(u64::MAX))
    };
    let mut text = String::new();
    for (name, value) in [
        (
            "version",
            plan.version()
                .map_or("-".into(), |version| version.to_string()),
        ),
        ("applied", number(&[State::Applied])),
        ("failures left", number(&[State::FailuresLeft])),
        (
            "unfinished",
            number(&[State::Unfinished, State::Running, State::Undoing]),
        ),
        ("pending", number(&[State::Pending])),
    ] {
        text.push_str(&format!("{name:<13} {value}\n"));
    }
    if plan.entries.is_empty() {
        return text;
    }
    let titles = ["VERSION", "MIGRATION", "STATE", "WHEN", "BY"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(plan.entries.iter().map(|entry| {
        vec![
            entry.version().to_string(),
            entry.name.clone(),
            state(entry),
            match entry.standing.at {
                0 => "-".into(),
                at => time(at),
            },
            by(entry),
        ]
    }));
    text.push('\n');
    text.push_str(&columns(&rows, &[0]));
    text
}

/// What made a migration what it is.
fn by(entry: &Entry) -> String {
    match &entry.standing.by {
        Some(By::Run(run)) => format!("run {run}"),
        Some(By::Steps(_)) => "steps".into(),
        Some(By::Baseline) => "baseline".into(),
        None => "-".into(),
    }
}
