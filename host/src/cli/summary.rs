//! A run's report for people.

use super::show::{count, safe, short};
use crate::engine::{Report, Task};
use crate::ledger::{Counters, RunState};

/// How many failures and reasons are shown.
const SHOWN: usize = 10;

/// What a run did, in words.
pub(super) fn summary(report: &Report, task: &Task) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    let run = match report.run {
        Some(run) => format!("run {run}"),
        None => "run".to_owned(),
    };
    let (what, counted) = match (task, report.dry_run) {
        (Task::Migrate(_), true) => ("dry run".to_owned(), "met the filter"),
        (Task::Migrate(_), false) => (run, "met the filter"),
        (Task::Retry(run), true) => (format!("dry retry of run {run}"), "had failed"),
        (Task::Retry(run), false) => (format!("retry of run {run}"), "had failed"),
        (Task::Revert { run, .. }, true) => {
            (format!("dry revert of run {run}"), "given to `revert`")
        }
        (Task::Revert { run: other, .. }, false) => (
            format!("{run}, which takes run {other} back,"),
            "given to `revert`",
        ),
    };
    line(format!(
        "{} over `{}`: {what} {} in {:.1} s",
        safe(&report.migration),
        safe(&report.table),
        report.state.name(),
        report.seconds
    ));
    counts(report, counted, &mut line);
    for stage in &report.stages {
        line(format!("At {}:", safe(&stage.migration)));
        what_became(&stage.counters, "handled", report.dry_run, &mut line);
        warnings(&stage.counters, &mut line);
    }
    for words in next(report) {
        line(words);
    }
    text
}

/// What became of the documents, which are counted under this name.
pub(super) fn counts(report: &Report, counted: &str, line: &mut impl FnMut(String)) {
    what_became(&report.counters, counted, report.dry_run, line);
    if report.counters.conflicts > 0 {
        line(format!(
            "{:>12} changed meanwhile by others, and tried again",
            count(report.counters.conflicts)
        ));
    }
    // Of several stages each tells its own.
    if report.stages.is_empty() {
        warnings(&report.counters, line);
    }
    failures(report, line);
}

fn what_became(counters: &Counters, counted: &str, dry_run: bool, line: &mut impl FnMut(String)) {
    line(format!("{:>12} {counted}", count(counters.total)));
    let would = if dry_run { "would be " } else { "" };
    for (number, name) in [
        (counters.updated, "updated"),
        (counters.deleted, "deleted"),
        (counters.skipped, "skipped"),
        (counters.failed, "failed"),
    ] {
        if number > 0 || matches!(name, "updated" | "failed") {
            let would = if matches!(name, "updated" | "deleted") {
                would
            } else {
                ""
            };
            line(format!("{:>12} {would}{name}", count(number)));
        }
        if name == "skipped" {
            reasons(counters, line);
        }
    }
    if counters.inserted > 0 {
        line(format!("{:>12} {would}inserted", count(counters.inserted)));
    }
}

fn warnings(counters: &Counters, line: &mut impl FnMut(String)) {
    for (warning, number) in counters.warnings.iter().take(SHOWN) {
        let times = if *number == 1 { "time" } else { "times" };
        line(format!(
            "The plugin warned {} {times}: {}",
            count(*number),
            safe(&short(warning, 400))
        ));
    }
}

fn reasons(counters: &Counters, line: &mut impl FnMut(String)) {
    let mut reasons: Vec<_> = counters.skip_reasons.iter().collect();
    reasons.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
    for (reason, number) in reasons.iter().take(SHOWN) {
        line(format!(
            "{:>16} {}",
            count(**number),
            safe(&short(reason, 200))
        ));
    }
    if let Some(more) = reasons.len().checked_sub(SHOWN + 1) {
        line(format!("{:>16} {} more reasons", "", more + 1));
    }
}

fn failures(report: &Report, line: &mut impl FnMut(String)) {
    if report.errors.is_empty() {
        return;
    }
    line("First failures:".into());
    for error in report.errors.iter().take(SHOWN) {
        let at = error
            .at
            .as_ref()
            .map_or(String::new(), |at| format!(" at {}", safe(at)));
        let by = error.migration.as_ref().map_or(String::new(), |migration| {
            format!(", by {}", safe(migration))
        });
        line(format!(
            "  {} {}: {} ({}{at}{by})",
            safe(&error.table),
            safe(&error.id),
            safe(&short(&error.message, 400)),
            safe(&error.code),
        ));
    }
    let shown = u64::try_from(report.errors.len().min(SHOWN)).unwrap_or(u64::MAX);
    if report.counters.failed > shown {
        line(format!(
            "  … and {} more",
            count(report.counters.failed - shown)
        ));
    }
}

/// What to do next.
fn next(report: &Report) -> Vec<String> {
    let mut words = Vec::new();
    match report.state {
        RunState::Interrupted => {
            if let Some(why) = &report.why {
                words.push(format!("It ended before its end: {why}."));
            }
            words.push("Next: the same command goes on from here.".into());
        }
        RunState::Limited => {
            words.push("Next: the same command does the documents that follow; without --limit, all of them.".into());
        }
        RunState::Sampled => {
            words.push("Next: look at what became of the sample; without --sample the same command does the rest.".into());
        }
        _ => {}
    }
    if report.dry_run {
        words.push("Nothing was written. Next: the same command without --dry-run.".into());
    } else if let (1.., Some(run)) = (report.counters.failed, report.run) {
        words.push(format!(
            "The failed documents are as they were. Next: mend them or the plugin; then `host retry {run}` tries them again."
        ));
    }
    words
}
