//! `host runs`: what was run on a store.

use std::io::{self, Write as _};

use super::show::{columns, count, safe, write_json};
use super::show_run::{as_json, state};
use super::tables::Format;
use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;

/// Lists the runs of a store, the newest first.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host runs --store sqlite:app.db
  host runs --store sqlite:app.db --format json | jq '.[0].state'",
    help_template = HELP
)]
pub(super) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,

    /// How to show the list
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let store = self.store.open(file, Missing::Refuse)?;
        let runs = store.writer()?.runs()?;
        let mut stdout = io::stdout().lock();
        if self.format == Format::Json {
            let runs: Vec<_> = runs.iter().map(as_json).collect();
            write_json(&mut stdout, &runs)?;
            return Ok(Ending::Done);
        }
        let titles = [
            "RUN",
            "MIGRATION",
            "TABLE",
            "STATE",
            "BEGAN",
            "TOTAL",
            "UPDATED",
            "FAILED",
        ];
        let mut rows = vec![titles.map(str::to_owned).to_vec()];
        for run in &runs {
            rows.push(vec![
                run.id.map_or("-".into(), |id| id.to_string()),
                safe(&run.name()).into_owned(),
                safe(&run.table).into_owned(),
                state(run).to_owned(),
                super::show::time(run.now),
                count(run.counters.total),
                count(run.counters.updated),
                count(run.counters.failed),
            ]);
        }
        stdout.write_all(columns(&rows, &[0, 5, 6, 7]).as_bytes())?;
        Ok(Ending::Done)
    }
}
