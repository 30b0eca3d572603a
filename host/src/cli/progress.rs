//! What a person sees while a run goes on. Everything goes to standard error.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use migration_document::{Edit, diff, json};

use super::show::{count, counted, safe, short};
use super::{logs, screen};
use crate::config::LogFormat;
use crate::engine::{Change, Observer, Progress};
use crate::plugin::Secrets;

/// How many documents a dry run shows.
const SHOWN_CHANGES: usize = 5;

/// How long a value is shown.
const SHOWN_CHARACTERS: usize = 120;

/// How often a line is written where there is no terminal to draw a bar on.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Shows a run.
pub(super) struct Watcher<'s> {
    /// What is not shown, not even where a document holds it.
    secrets: &'s Secrets,
    /// None where there is no terminal, or what goes there is for machines.
    bar: Option<ProgressBar>,
    last_line: Instant,
    changes: Vec<String>,
    more_changes: u64,
}

impl<'s> Watcher<'s> {
    pub fn new(secrets: &'s Secrets) -> Self {
        let drawn = io::stderr().is_terminal() && logs::format() == LogFormat::Text;
        Self {
            secrets,
            bar: drawn.then(|| screen::show(ProgressBar::no_length())),
            last_line: Instant::now(),
            changes: Vec::new(),
            more_changes: 0,
        }
    }

    /// Takes the bar away, and gives back what a dry run found, in words.
    pub fn finish(self) -> (Vec<String>, u64) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        (self.changes, self.more_changes)
    }
}

impl Observer for Watcher<'_> {
    fn wants_count(&self) -> bool {
        self.bar.is_some()
    }

    fn started(&mut self, to_look_at: Option<u64>) {
        let Some(bar) = &self.bar else {
            return;
        };
        let template = match to_look_at {
            Some(_) => "{bar:30} {human_pos}/{human_len} documents  {rate}  {eta} left  {msg}",
            None => "{spinner} {human_pos} documents  {rate}  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("rate", rate));
        }
        if let Some(length) = to_look_at {
            bar.set_length(length);
        }
    }

    fn advanced(&mut self, progress: Progress<'_>) {
        if let Some(bar) = &self.bar {
            bar.set_position(progress.looked_at);
            if progress.counters.failed > 0 {
                bar.set_message(format!("{} failed", count(progress.counters.failed)));
            }
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            tell(progress);
        }
    }

    fn would_change(&mut self, change: &Change<'_>) {
        if self.changes.len() < SHOWN_CHANGES {
            self.changes.push(Description(self.secrets).of(change));
        } else {
            self.more_changes += 1;
        }
    }
}

/// Tells how far a run has come, where nobody sees a bar.
fn tell(progress: Progress<'_>) {
    let counters = progress.counters;
    match logs::format() {
        LogFormat::Text => {
            let line = format!(
                "{} looked at: {} updated, {} skipped, {} failed\n",
                counted(progress.looked_at, "document"),
                count(counters.updated),
                count(counters.skipped),
                count(counters.failed),
            );
            // Nobody is left to be told if standard error is closed.
            let _ = screen::write(line.as_bytes());
        }
        LogFormat::Json => tracing::info!(
            looked_at = progress.looked_at,
            updated = counters.updated,
            skipped = counters.skipped,
            failed = counters.failed,
            "progress"
        ),
    }
}

/// Documents in a second, without their fractions.
pub(super) fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // Nobody is left to be told if a bar cannot be drawn.
    let _ = write!(out, "{:.0}/s", state.per_sec());
}

/// Tells of changes as lines of what was and what would be, without these secrets.
pub(super) struct Description<'s>(pub &'s Secrets);

impl Description<'_> {
    pub fn of(&self, change: &Change<'_>) -> String {
        let mut text = format!("{} {}", self.clean(change.table), self.clean(change.id));
        match (change.before, change.after) {
            (Some(before), Some(after)) => text.push_str(&self.difference(before, after)),
            (None, Some(after)) => text.push_str(&format!(" (new)\n{}", self.added("", after))),
            (Some(before), None) => {
                text.push_str(&format!(" (deleted)\n{}", self.removed("", before)));
            }
            (None, None) => {}
        }
        text
    }

    /// Lines of what differs between two bodies, each behind a line break. None, where they mean the same.
    pub fn difference(&self, before: &str, after: &str) -> String {
        diff(before, after)
            .unwrap_or_default()
            .iter()
            .map(|edit| self.edit_lines(before, edit))
            .collect()
    }

    fn edit_lines(&self, before: &str, edit: &Edit) -> String {
        let (at, value) = match edit {
            Edit::Set { at, value } => (at, Some(&**value)),
            Edit::Remove { at } => (at, None),
            // The difference of two bodies has none.
            Edit::Rename { from, .. } => (from, None),
        };
        let mut text = String::new();
        if let Ok(Some(old)) = json::get(before, at) {
            text.push_str(&format!("\n{}", self.removed(at, old)));
        }
        if let Some(value) = value {
            text.push_str(&format!("\n{}", self.added(at, value)));
        }
        text
    }

    pub fn removed(&self, at: &str, value: &str) -> String {
        console::style(self.line('-', at, value)).red().to_string()
    }

    pub fn added(&self, at: &str, value: &str) -> String {
        console::style(self.line('+', at, value))
            .green()
            .to_string()
    }

    fn line(&self, sign: char, at: &str, value: &str) -> String {
        let space = if at.is_empty() { "" } else { " " };
        // It is cut only when no half of a secret can be left.
        let value = self.0.clean(value.into());
        format!(
            "  {sign} {}{space}{}",
            self.clean(at),
            safe(&short(&value, SHOWN_CHARACTERS))
        )
    }

    fn clean(&self, text: &str) -> String {
        safe(&self.0.clean(text.into())).into_owned()
    }
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
            Description(&Secrets::default()).of(&change),
            "users u1\n  - /old null\n  - /title \"a\"\n  + /title \"b\"\n  + /new [1]"
        );
    }

    #[test]
    fn a_change_shows_no_secret_and_no_half_of_one() {
        console::set_colors_enabled(false);
        let mut secrets = Secrets::default();
        secrets.insert("K".into(), "correct \"horse\"".to_owned().into());
        let room = "x".repeat(SHOWN_CHARACTERS - 10);
        let after = format!(r#"{{"k":"{room}correct \"horse\""}}"#);
        let change = Change {
            table: "users",
            id: "correct \"horse\"",
            before: Some("{}"),
            after: Some(&after),
        };
        assert_eq!(
            Description(&secrets).of(&change),
            format!("users [secret K]\n  + /k \"{room}[secret K…")
        );
    }
}
