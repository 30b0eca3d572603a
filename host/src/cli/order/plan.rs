//! `host plan`: which migrations there are, and what is to be done.

use std::io::{self, Write as _};

use serde_json::json;

use super::FolderArguments;
use super::show::{entry, state, touches};
use crate::cli::show::{columns, safe, write_json};
use crate::cli::tables::Format;
use crate::cli::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::order::{Entry, OrderError, Plan, Target};

/// How many names are shown of what comes next.
const SHOWN: usize = 10;

/// Shows the migrations in order: which are applied, pending, changed or missing, and what each touches.
///
/// Writes nothing, and runs nothing of plugins but `describe`.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host plan --store sqlite:app.db
  host plan --env prod
  host plan --env prod --format json | jq '.due'",
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
        let migrations = self.folder.read(file)?;
        let plan = self
            .store
            .compare(file, migrations, store.writer()?.as_mut())?;
        let due = plan.due(&Target::All, false);
        let mut stdout = io::stdout().lock();
        match self.format {
            Format::Json => {
                let refused = match &due {
                    Err(OrderError::Problems(problems)) => {
                        problems.iter().map(ToString::to_string).collect()
                    }
                    _ => Vec::new(),
                };
                let names: Vec<_> = due
                    .iter()
                    .flatten()
                    .map(|entry| entry.name.as_str())
                    .collect();
                write_json(
                    &mut stdout,
                    &json!({
                        "version": plan.version(),
                        "due": names,
                        "refused": refused,
                        "migrations": plan.entries.iter().map(entry).collect::<Vec<_>>(),
                    }),
                )?;
            }
            Format::Text => stdout.write_all(as_text(&plan, &due).as_bytes())?,
        }
        Ok(Ending::Done)
    }
}

fn as_text(plan: &Plan, due: &Result<Vec<&Entry>, OrderError>) -> String {
    let titles = ["VERSION", "MIGRATION", "STATE", "TOUCHES"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(plan.entries.iter().map(|entry| {
        vec![
            entry.version().to_string(),
            entry.name.clone(),
            state(entry),
            safe(&touches(entry)).into_owned(),
        ]
    }));
    let mut text = columns(&rows, &[0]);
    match due {
        Ok(due) if due.is_empty() => text.push_str("Nothing is to be applied.\n"),
        Ok(due) => {
            let mut names: Vec<_> = due
                .iter()
                .take(SHOWN)
                .map(|entry| entry.name.as_str())
                .collect();
            let more = format!("{} more", due.len().saturating_sub(SHOWN));
            if due.len() > SHOWN {
                names.push(&more);
            }
            text.push_str(&format!("Next: `host up` applies {}.\n", names.join(", ")));
        }
        Err(OrderError::Problems(problems)) => {
            text.push_str("`host up` would refuse:\n");
            for problem in problems {
                text.push_str(&format!("  {}\n", safe(&problem.to_string())));
            }
        }
        Err(error) => text.push_str(&format!(
            "`host up` would refuse: {}\n",
            safe(&error.to_string())
        )),
    }
    text
}
