//! What a person sees while a run goes on. Everything goes to standard error.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use migration_document::{Edit, diff, json};

use super::show::{count, counted, safe, short};
use crate::engine::{Change, Observer, Progress};
use crate::plugin::{Level, LogLine};
use crate::store::Advice;

/// How many documents a dry run shows.
const SHOWN_CHANGES: usize = 5;

/// How long a value is shown.
const SHOWN_CHARACTERS: usize = 120;

/// How often a line is written where there is no terminal to draw a bar on.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// How many lines of a plugin's log are shown. Its later lines are counted.
const SHOWN_LOG_LINES: u64 = 50;

/// Shows a run.
pub(super) struct Watcher {
    bar: ProgressBar,
    terminal: bool,
    last_line: Instant,
    changes: Vec<String>,
    more_changes: u64,
    log_lines: u64,
    /// Hashes would do, but there are never more texts here than are shown.
    warnings: HashSet<String>,
}

impl Watcher {
    pub fn new() -> Self {
        let terminal = io::stderr().is_terminal();
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            terminal,
            last_line: Instant::now(),
            changes: Vec::new(),
            more_changes: 0,
            log_lines: 0,
            warnings: HashSet::new(),
        }
    }

    /// Writes a line above the bar.
    fn line(&self, text: &str) {
        self.bar.suspend(|| {
            // Nobody is left to be told if standard error is closed.
            let _ = writeln!(io::stderr(), "{text}");
        });
    }

    /// Takes the bar away, and gives back what a dry run found, in words.
    pub fn finish(self) -> (Vec<String>, u64) {
        self.bar.finish_and_clear();
        if let Some(hidden) = self.log_lines.checked_sub(SHOWN_LOG_LINES + 1) {
            self.line(&format!(
                "({} more of the plugin's log)",
                counted(hidden + 1, "line")
            ));
        }
        (self.changes, self.more_changes)
    }
}

impl Observer for Watcher {
    fn wants_count(&self) -> bool {
        self.terminal
    }

    fn started(&mut self, to_look_at: Option<u64>) {
        let template = match to_look_at {
            Some(_) => "{bar:30} {human_pos}/{human_len} documents  {rate}  {eta} left  {msg}",
            None => "{spinner} {human_pos} documents  {rate}  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.with_key("rate", rate));
        }
        if let Some(length) = to_look_at {
            self.bar.set_length(length);
        }
    }

    fn advanced(&mut self, progress: Progress<'_>) {
        self.bar.set_position(progress.looked_at);
        if progress.counters.failed > 0 {
            self.bar
                .set_message(format!("{} failed", count(progress.counters.failed)));
        }
        if !self.terminal && self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            self.line(&format!(
                "{} looked at: {} updated, {} skipped, {} failed",
                counted(progress.looked_at, "document"),
                count(progress.counters.updated),
                count(progress.counters.skipped),
                count(progress.counters.failed),
            ));
        }
    }

    fn would_change(&mut self, change: &Change<'_>) {
        if self.changes.len() < SHOWN_CHANGES {
            self.changes.push(describe(change));
        } else {
            self.more_changes += 1;
        }
    }

    fn logged(&mut self, line: &LogLine) {
        // Warnings are counted in the report; each text is shown when it comes first.
        if line.level == Level::Warn
            && self.log_lines <= SHOWN_LOG_LINES
            && !self.warnings.insert(line.message.clone())
        {
            return;
        }
        self.log_lines += 1;
        if self.log_lines > SHOWN_LOG_LINES {
            return;
        }
        let level = match line.level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warning",
            Level::Error => "error",
        };
        self.line(&format!("plugin {level}: {}", safe(&line.message)));
    }

    fn paused(&mut self, paused: bool) {
        self.line(if paused {
            "paused; `host resume` lets it go on"
        } else {
            "going on"
        });
    }

    fn advised(&mut self, advice: &Advice) {
        let label = console::style("warning:").for_stderr().yellow().bold();
        self.line(&format!(
            "{label} {}\n  this would help: {}",
            safe(&advice.message),
            safe(&advice.hint)
        ));
    }
}

/// Documents in a second, without their fractions.
pub(super) fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // Nobody is left to be told if a bar cannot be drawn.
    let _ = write!(out, "{:.0}/s", state.per_sec());
}

/// A change as lines of what was and what would be.
fn describe(change: &Change<'_>) -> String {
    let mut text = format!("{} {}", safe(change.table), safe(change.id));
    match (change.before, change.after) {
        (Some(before), Some(after)) => {
            for edit in diff(before, after).unwrap_or_default() {
                text.push_str(&edit_lines(before, &edit));
            }
        }
        (None, Some(after)) => text.push_str(&format!(" (new)\n{}", added("", after))),
        (Some(before), None) => text.push_str(&format!(" (deleted)\n{}", removed("", before))),
        (None, None) => {}
    }
    text
}

fn edit_lines(before: &str, edit: &Edit) -> String {
    let (at, value) = match edit {
        Edit::Set { at, value } => (at, Some(value.as_str())),
        Edit::Remove { at } => (at, None),
        // The difference of two bodies has none.
        Edit::Rename { from, .. } => (from, None),
    };
    let mut text = String::new();
    if let Ok(Some(old)) = json::get(before, at) {
        text.push_str(&format!("\n{}", removed(at, old)));
    }
    if let Some(value) = value {
        text.push_str(&format!("\n{}", added(at, value)));
    }
    text
}

fn removed(at: &str, value: &str) -> String {
    console::style(line('-', at, value)).red().to_string()
}

fn added(at: &str, value: &str) -> String {
    console::style(line('+', at, value)).green().to_string()
}

fn line(sign: char, at: &str, value: &str) -> String {
    let space = if at.is_empty() { "" } else { " " };
    format!(
        "  {sign} {}{space}{}",
        safe(at),
        safe(&short(value, SHOWN_CHARACTERS))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_what_was_and_what_would_be() {
        console::set_colors_enabled(false);
        let change = Change {
            table: "users",
            id: "u1",
            before: Some(r#"{"title": "a", "n": 1.0, "old": null}"#),
            after: Some(r#"{"title": "b", "n": 1, "new": [1]}"#),
        };
        assert_eq!(
            describe(&change),
            "users u1\n  - /old null\n  - /title \"a\"\n  + /title \"b\"\n  + /new [1]"
        );
    }
}
