//! Migrations, and what became of them, as text and as JSON.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::cli::progress::Watcher;
use crate::cli::show::{safe, time};
use crate::cli::summary::summary;
use crate::cli::tables::Format;
use crate::engine::grants::requested;
use crate::engine::{Observer, Report};
use crate::order::standing::By;
use crate::order::up::{Done, Watch};
use crate::order::{Entry, State, Work};
use crate::plugin::Secrets;

/// How a migration stands, in words.
pub(super) fn state(entry: &Entry) -> String {
    let standing = &entry.standing;
    let state = match standing.state {
        State::FailuresLeft => format!("{} failed", standing.failed),
        state => state.name().to_owned(),
    };
    if entry.migration.is_none() {
        return format!("{state}, missing");
    }
    if entry.changed().is_some() {
        return format!("{state}, changed");
    }
    if entry.late.is_some() {
        return format!("{state}, late");
    }
    state
}

/// What a migration touches, in words.
pub(super) fn touches(entry: &Entry) -> String {
    let Some(migration) = &entry.migration else {
        return "-".into();
    };
    match &migration.work {
        Work::Steps(steps) if steps.is_empty() => "-".into(),
        Work::Steps(steps) => {
            let steps: Vec<_> = steps.iter().map(ToString::to_string).collect();
            steps.join("; ")
        }
        Work::Plugin(plugin) => {
            let manifest = &plugin.manifest;
            let also: Vec<_> = requested(manifest)
                .iter()
                .map(ToString::to_string)
                .collect();
            match also.is_empty() {
                true => manifest.table.clone(),
                false => format!("{}, {}", manifest.table, also.join(", ")),
            }
        }
    }
}

/// What is known of a migration.
pub(super) fn entry(entry: &Entry) -> Value {
    let standing = &entry.standing;
    let migration = entry.migration.as_ref();
    let work = migration.map(|migration| match &migration.work {
        Work::Steps(steps) => {
            json!({"steps": steps.iter().map(ToString::to_string).collect::<Vec<_>>()})
        }
        Work::Plugin(plugin) => {
            let manifest = &plugin.manifest;
            let allow: Vec<_> = requested(manifest)
                .iter()
                .map(ToString::to_string)
                .collect();
            json!({
                "table": manifest.table,
                "reads": manifest.reads,
                "writes": manifest.writes,
                "secrets": manifest.secrets,
                "allow": allow,
                "revert": plugin.reverts,
            })
        }
    });
    json!({
        "name": entry.name,
        "description": migration.map(|migration| &migration.description),
        "version": entry.version(),
        "run_after": migration.map(|migration| &migration.run_after),
        "file": migration.map(|migration| migration.path.to_string_lossy()),
        "sha256": migration.map(|migration| &migration.sha256),
        "touches": work,
        "state": standing.state,
        "applied_sha256": standing.sha256,
        "changed": entry.changed().is_some(),
        "missing": migration.is_none(),
        "late": entry.late.is_some(),
        "failed": standing.failed,
        "at": (standing.at > 0).then(|| time(standing.at)),
        "run": match &standing.by {
            Some(By::Run(run)) => Some(run),
            _ => None,
        },
        "baseline": standing.by == Some(By::Baseline),
    })
}

/// Shows what is applied, one after the other; for scripts all of it at the end.
pub(super) struct Shower<'s> {
    /// They are not shown.
    secrets: &'s Secrets,
    pub format: Format,
    pub done: Vec<Value>,
    pub count: usize,
}

impl<'s> Shower<'s> {
    pub fn new(format: Format, secrets: &'s Secrets) -> Self {
        Self {
            secrets,
            format,
            done: Vec::new(),
            count: 0,
        }
    }

    /// Says it, in one of the two ways.
    pub fn say(&mut self, text: &str, json: Value) {
        match self.format {
            Format::Json => self.done.push(json),
            // Nobody is left to be told if that fails, and the work goes on.
            Format::Text => {
                let _ = io::stdout().lock().write_all(text.as_bytes());
            }
        }
    }
}

impl Watch for Shower<'_> {
    fn begins(&mut self, _name: &str) -> Box<dyn Observer + '_> {
        // Its bar goes with it.
        Box::new(Watcher::new(self.secrets))
    }

    fn done(&mut self, done: &Done) {
        match done {
            Done::Run(report, task) => {
                self.count += usize::from(is_applied(report));
                self.say(&summary(report, task), json!({"report": report}));
            }
            Done::Steps { name, steps } => {
                self.count += 1;
                let mut text = format!("{}: applied\n", safe(name));
                for step in steps {
                    text.push_str(&format!("  {}\n", safe(step)));
                }
                self.say(&text, json!({"migration": name, "steps": steps}));
            }
            Done::ByAnother { name } => self.say(
                &format!("{}: applied by another process meanwhile\n", safe(name)),
                json!({"migration": name, "by_another": true}),
            ),
        }
    }
}

/// Whether all of a migration's documents are handled.
fn is_applied(report: &Report) -> bool {
    report.counters.failed == 0 && report.why.is_none() && !report.state.goes_on()
}
