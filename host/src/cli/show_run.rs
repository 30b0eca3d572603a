//! `host show`: one run, while it goes on or afterwards.

use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use super::show::{count, safe, time, write_json};
use super::tables::Format;
use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::engine::{RunError, now};
use crate::ledger::{Run, RunId, RunState, Stage};

/// How often a watched run is looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// Shows a run: how far it is, how fast, and what it counted. From another terminal, while it goes on.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host show 7 --store sqlite:app.db
  host show 7 --store sqlite:app.db --watch
  host show 7 --store sqlite:app.db --format json",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The run's number
    run: i64,

    #[command(flatten)]
    store: StoreArguments,

    /// Shows it again and again until it ends
    #[arg(long)]
    watch: bool,

    /// How to show it
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let store = self.store.open(file, Missing::Refuse)?;
        let mut writer = store.writer()?;
        let mut shown = 0;
        loop {
            let run = writer
                .run(RunId(self.run))?
                .ok_or(RunError::NoRun(RunId(self.run)))?;
            let mut stdout = io::stdout().lock();
            match self.format {
                Format::Json => write_json(&mut stdout, &as_json(&run))?,
                Format::Text => {
                    let text = as_text(&run);
                    if shown > 0 && console::colors_enabled() {
                        console::Term::stdout().clear_last_lines(shown)?;
                    }
                    shown = text.lines().count();
                    stdout.write_all(text.as_bytes())?;
                }
            }
            if !self.watch || !is_alive(&run) {
                return Ok(Ending::Done);
            }
            drop(stdout);
            std::thread::sleep(INTERVAL);
        }
    }
}

/// Whether a process works on the run, or waits with it.
fn is_alive(run: &Run) -> bool {
    run.lease
        .as_ref()
        .is_some_and(|lease| lease.holds_against_this(now()))
}

/// The run's state; one whose process died says so.
pub(super) fn state(run: &Run) -> &'static str {
    match (run.state, &run.lease) {
        (RunState::Running | RunState::Paused, _) | (RunState::Undoing, Some(_))
            if !is_alive(run) =>
        {
            "died"
        }
        (RunState::Running | RunState::Paused | RunState::Undoing, _) => run.state.name(),
        // It stands as it did: its failed documents are tried again.
        _ if is_alive(run) => "retrying",
        (state, _) => state.name(),
    }
}

/// What is known of a run's pace: part done, documents in a second, seconds left.
fn pace(run: &Run) -> (Option<f64>, Option<f64>, Option<f64>) {
    let pace = &run.pace;
    // Counts are far below 2^53.
    #[expect(clippy::cast_precision_loss)]
    let number = |count: u64| count as f64;
    let part = pace
        .to_look_at
        .filter(|all| *all > 0)
        .map(|all| (number(pace.looked_at) / number(all)).min(1.0));
    let rate = (pace.worked > 0).then(|| number(pace.looked_at) / (number(pace.worked) / 1e3));
    let left = match (pace.to_look_at, rate) {
        (Some(all), Some(rate)) if rate > 0.0 => {
            Some(number(all.saturating_sub(pace.looked_at)) / rate)
        }
        _ => None,
    };
    (part, rate, left)
}

pub(super) fn as_json(run: &Run) -> Value {
    let (part, rate, left) = pace(run);
    let counters = &run.counters;
    let only = run.stages.only();
    let mut shown = json!({
        "run": run.id,
        "migration": run.name(),
        "table": run.table,
        "state": state(run),
        "plugin": only.map(|stage| &stage.plugin.sha256),
        "earlier_plugins": only.map(|stage| &stage.earlier_plugins),
        "reverts": run.reverts,
        "by": run.by,
        "began": time(run.now),
        "ended": run.ended.map(time),
        "total": counters.total,
        "updated": counters.updated,
        "skipped": counters.skipped,
        "failed": counters.failed,
        "inserted": counters.inserted,
        "deleted": counters.deleted,
        "conflicts": counters.conflicts,
        "skip_reasons": counters.skip_reasons,
        "warnings": counters.warnings,
        "looked_at": run.pace.looked_at,
        "to_look_at": run.pace.to_look_at,
        "percent": part.map(|part| part * 100.0),
        "per_second": rate,
        "seconds_left": left,
        "longest_lock_ms": run.pace.longest_lock,
    });
    if let (Some(members), true) = (shown.as_object_mut(), run.stages.are_several()) {
        let stages = run.stages.iter().map(stage_as_json).collect();
        members.insert("stages".into(), stages);
    }
    shown
}

/// A stage of several.
fn stage_as_json(stage: &Stage) -> Value {
    let counters = &stage.counters;
    json!({
        "migration": stage.migration,
        "version": stage.version,
        "plugin": stage.plugin.sha256,
        "path": stage.plugin.path,
        "earlier_plugins": stage.earlier_plugins,
        "parameters": parameters(stage),
        "total": counters.total,
        "updated": counters.updated,
        "skipped": counters.skipped,
        "failed": counters.failed,
        "inserted": counters.inserted,
        "deleted": counters.deleted,
        "skip_reasons": counters.skip_reasons,
        "warnings": counters.warnings,
    })
}

/// What a migration was given, as JSON: the ledger keeps texts.
pub(super) fn parameters(stage: &Stage) -> Value {
    stage
        .parameters
        .iter()
        .map(|(name, text)| {
            let value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
            (name.clone(), value)
        })
        .collect()
}

fn as_text(run: &Run) -> String {
    let (part, rate, left) = pace(run);
    let counters = &run.counters;
    let looked_at = match (run.pace.to_look_at, part) {
        (Some(all), Some(part)) => format!(
            "{} of {} documents ({:.0}%)",
            count(run.pace.looked_at),
            count(all),
            part * 100.0
        ),
        _ => format!("{} documents", count(run.pace.looked_at)),
    };
    let going = is_alive(run);
    let rate = rate.map_or("-".into(), |rate| format!("{rate:.0} documents/s"));
    let left = left
        .filter(|_| going)
        .map_or("-".into(), |left| format!("{left:.0} s"));
    let lines = [
        ("run", run.id.map_or("-".into(), |id| id.to_string())),
        (
            "migration",
            match run.reverts {
                None => format!("{} over `{}`", run.name(), run.table),
                Some(other) => format!(
                    "{} over `{}`, taking run {other} back",
                    run.name(),
                    run.table
                ),
            },
        ),
        ("state", state(run).into()),
        ("plugin", run.stages.only().map_or("-".into(), plugins)),
        ("began", format!("{} by {}", time(run.now), run.by)),
        ("ended", run.ended.map_or("-".into(), time)),
        ("looked at", looked_at),
        ("rate", rate),
        ("time left", left),
        ("total", count(counters.total)),
        ("updated", count(counters.updated)),
        ("skipped", count(counters.skipped)),
        ("failed", count(counters.failed)),
        ("inserted", count(counters.inserted)),
        ("deleted", count(counters.deleted)),
        ("conflicts", count(counters.conflicts)),
        (
            "longest lock",
            format!("{} ms", count(run.pace.longest_lock)),
        ),
    ];
    let several = run.stages.iter().filter(|_| run.stages.are_several());
    let stages = several.map(|stage| {
        let counters = &stage.counters;
        let counted = format!(
            "{}: {} updated, {} deleted, {} skipped, {} failed; plugin {}",
            stage.migration,
            count(counters.updated),
            count(counters.deleted),
            count(counters.skipped),
            count(counters.failed),
            plugins(stage)
        );
        ("stage", counted)
    });
    lines
        .into_iter()
        .chain(stages)
        .map(|(name, value)| format!("{name:<13} {}\n", safe(&value)))
        .collect()
}

/// The plugin that worked on a stage last, and those before it.
fn plugins(stage: &Stage) -> String {
    let mut text = stage.plugin.sha256.clone();
    for earlier in stage.earlier_plugins.iter().rev() {
        text.push_str(&format!(" after {earlier}"));
    }
    text
}
