//! `host quarantine`: the documents that failed in a run, and why.

use std::io::{self, Write as _};

use serde_json::json;
use serde_json::value::RawValue;

use super::show::{columns, safe, safe_json, short};
use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::engine::RunError;
use crate::ledger::RunId;
use crate::store::StoreError;

/// Lists the documents that failed in a run, each with its reason.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host quarantine 7 --store sqlite:app.db
  host quarantine 7 --store sqlite:app.db --documents > failed.jsonl",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The run's number
    run: i64,

    #[command(flatten)]
    store: StoreArguments,

    /// Writes JSON lines, each with the document as it is now
    #[arg(long)]
    documents: bool,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let store = self.store.open(file, Missing::Refuse)?;
        let id = RunId(self.run);
        let mut writer = store.writer()?;
        let run = writer.run(id)?.ok_or(RunError::NoRun(id))?;
        let failures = writer.quarantined(id, usize::MAX)?;
        let mut stdout = io::stdout().lock();
        if self.documents {
            let table = store.table(&run.table)?;
            for failed in failures {
                let document = match writer.current(&table, &failed.id) {
                    Ok(found) => {
                        found.and_then(|found| RawValue::from_string(found.body.into()).ok())
                    }
                    Err(StoreError::Unreadable { .. }) => None,
                    Err(error) => return Err(error.into()),
                };
                let mut line = json!({
                    "table": failed.table,
                    "id": failed.id,
                    "code": failed.failure.code,
                    "message": failed.failure.message,
                    "at": failed.failure.at,
                });
                if let (Some(members), Some(migration)) = (line.as_object_mut(), &failed.migration)
                {
                    members.insert("migration".into(), json!(migration));
                }
                let mut line = safe_json(&line.to_string());
                // A tree of values would not keep the document as it is spelled.
                line.pop();
                let body = document.as_ref().map_or("null", |body| body.get());
                writeln!(
                    stdout,
                    "{line},\"document\":{}}}",
                    body.replace(['\n', '\r'], " ")
                )?;
            }
            return Ok(Ending::Done);
        }
        let several = run.stages.are_several();
        let titles = ["ID", "MIGRATION", "CODE", "AT", "MESSAGE"];
        let row = |cells: [String; 5]| {
            let cells = cells.into_iter().enumerate();
            let shown = cells.filter(|(column, _)| several || *column != 1);
            shown.map(|(_, cell)| cell).collect()
        };
        let mut rows: Vec<Vec<_>> = vec![row(titles.map(str::to_owned))];
        for failed in failures {
            rows.push(row([
                safe(&failed.id).into_owned(),
                safe(failed.migration.as_deref().unwrap_or("-")).into_owned(),
                safe(&failed.failure.code).into_owned(),
                safe(failed.failure.at.as_deref().unwrap_or("-")).into_owned(),
                safe(&short(&failed.failure.message, 400)).into_owned(),
            ]));
        }
        stdout.write_all(columns(&rows, &[]).as_bytes())?;
        Ok(Ending::Done)
    }
}
